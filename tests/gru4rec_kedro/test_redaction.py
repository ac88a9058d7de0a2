import pytest

from gru4rec_kedro.redaction import hide_login, hide_login_in


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://host/path", "https://host/path"),
        ("sqlite:///data/runs.db", "sqlite:///data/runs.db"),
        ("runs", "runs"),
        ("https://me:s3cret@host:80/path", "https://…@host:80/path"),
        ("https://me:a/s3cret@b@host", "https://…@host"),
        ("https://me:a?s3cret@host", "https://…@"),
        ("https://s3cret@host", "https://…@host"),
        ("db://host/name?user=me&password=s3cret", "db://host/name"),
        ("db://host/name?user=me@home&password=s3cret", "db://…@"),
        ("db:/me:s3cret@host", "…@host"),
    ],
)
def test_shows_the_place_alone(address: str, shown: str) -> None:
    assert hide_login(address) == shown
    assert hide_login_in(f"no way to {address}!", address) == f"no way to {shown}!"


@pytest.mark.parametrize(
    "address", ["db://me:s3%40cret@host", "db://host?user=me&sslpassword=s3%40cret&x=1"]
)
def test_hides_passwords_however_a_message_writes_them(address: str) -> None:
    assert hide_login_in("s3%40cret or s3@cret is wrong", address) == "… or … is wrong"
    assert hide_login_in("wrong", "db://host") == "wrong"
