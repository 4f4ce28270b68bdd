"""The start of netd: its configuration of providers."""

from __future__ import annotations

from pathlib import Path

from app.netd.main import _load_provider_config, arguments
from app.providers.config import ProvidersConfig


def test_mistake_in_providers_toml_does_not_stop_netd(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    assert _load_provider_config(path) == (ProvidersConfig(), [])
    path.write_text("[apis.mullvad]\nurl = 'http://x'\n")
    config, problems = _load_provider_config(path)
    assert config == ProvidersConfig()
    assert len(problems) == 1
    assert "https://" in problems[0]


def test_providers_toml_has_a_default_path() -> None:
    assert arguments([]).providers == Path("/etc/vpn-gateway/providers.toml")
