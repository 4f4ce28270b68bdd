"""The file ``providers.toml``: its example in the documentation, and its mistakes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from app.errors import InvalidFieldError
from app.providers.config import ApiConfig, ProvidersConfig, load


def test_config_from_the_documentation_loads(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "providers.md").read_text()
    example = text.partition("```toml\nallowed_networks")[2].partition("```")[0]
    path = tmp_path / "providers.toml"
    path.write_text("allowed_networks" + example)
    assert load(path) == ProvidersConfig(
        apis={
            "mullvad": ApiConfig(
                "https://api.mullvad.net", (ip_address("203.0.113.80"),), ca="/etc/vpn-gateway/lab-ca.pem"
            )
        },
        allowed_networks=(ip_network("198.51.100.0/24"),),
    )


def test_config_without_a_file_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path / "providers.toml") == ProvidersConfig()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[apis", "providers.toml"),
        ("[apis.mullvad]\n", "url"),
        ('[apis.mullvad]\nurl = "http://api.mullvad.net"\n', "https://"),
        ('[apis.mullvad]\nurl = "https://"\n', "a host"),
        ('[apis.mullvad]\nurl = "https://api.mullvad.net:99999"\n', "a host"),
        ('[apis.mullvad]\nurl = "https://[::1"\n', "a host"),
        ('[apis.mullvad]\nurl = "https://x"\naddresses = ["nowhere"]\n', "addresses"),
        ("allowed_networks = 5\n", "allowed_networks"),
        ("something_else = 1\n", "something_else"),
    ],
)
def test_config_with_a_mistake_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(text)
    with pytest.raises(InvalidFieldError, match=reason) as refused:
        load(path)
    assert refused.value.field == "providers"
