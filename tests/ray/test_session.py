import os

import pytest

from novelray.onray import session


@pytest.mark.ray
def test_a_token_that_others_can_read_is_made_private(ray_session, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text("secret")
    os.chmod(token, 0o644)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    session._keep_token_private()
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() == "secret"


@pytest.mark.ray
def test_the_users_own_token_is_private_once_a_session_runs(ray_session):
    path = os.path.expanduser(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token")
    if not os.path.exists(path):
        pytest.skip(f"this session has no token at {path}")
    assert os.stat(path).st_mode & 0o077 == 0
