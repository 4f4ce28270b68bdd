from __future__ import annotations

from pathlib import Path

from app.netd.main import _load_provider_config, arguments
from app.providers.config import ProvidersConfig


def test_a_mistake_in_providers_toml_keeps_nothing_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    assert _load_provider_config(path) == (ProvidersConfig(), [])
    path.write_text("[apis.mullvad]\nurl = 'http://x'\n")
    config, problems = _load_provider_config(path)
    assert config == ProvidersConfig()
    assert len(problems) == 1
    assert "https://" in problems[0]


def test_where_it_is_by_itself() -> None:
    assert arguments([]).providers == Path("/etc/vpn-gateway/providers.toml")
