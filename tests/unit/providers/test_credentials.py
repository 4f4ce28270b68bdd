"""The credentials of a sign-in form: checked, compared and masked."""

from __future__ import annotations

import pytest

from app.errors import InvalidFieldError
from app.model import Secret
from app.providers.base import CredentialField
from app.providers.credentials import check_credentials, masked, same_account

FORM = (
    CredentialField("account", "Account", help="four digits", pattern=r"[0-9]{4}"),
    CredentialField("word", "Word", longest=8),
    CredentialField("code", "Code", optional=True, pattern=r"[0-9]+"),
)


def given(**values: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


def test_credentials_lose_blanks_and_empty_optional_fields() -> None:
    found = check_credentials(FORM, given(account=" 12\t34\n", word=" a b ", code="  "), "Example")
    assert found == given(account="1234", word="a b")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"word": "x"}, "account"),
        ({"account": "123", "word": "x"}, "account"),
        ({"account": "12345", "word": "x"}, "account"),
        ({"account": "1234", "word": "x" * 9}, "word"),
        ({"account": "1234", "word": "a\x00b"}, "word"),
        ({"account": "1234", "word": "a\r\nb"}, "word"),
        ({"account": "1234", "word": "x", "code": "secret"}, "code"),
        ({"account": "1234", "word": "x", "other": "secret"}, "credentials"),
    ],
)
def test_credentials_with_bad_value_name_the_field_only(values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        check_credentials(FORM, given(**values), "Example")
    assert refused.value.field == field
    assert not any(value in refused.value.message for value in values.values() if len(value) > 2)


def test_same_account_ignores_optional_fields() -> None:
    one = given(account="1234", word="x")
    assert same_account(FORM, one, {**one, **given(code="1")})
    assert not same_account(FORM, one, given(account="1235", word="x"))


@pytest.mark.parametrize(
    ("value", "shown"),
    [("1234567890123456", "•••• 3456"), ("123456789", "•••• 6789"), ("12345678", "••••"), ("", "••••"), (None, "••••")],
)
def test_masked_value_shows_the_end_of_long_values_only(value: str | None, shown: str) -> None:
    assert masked(Secret(value) if value is not None else None) == shown
