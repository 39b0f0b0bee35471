import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from routing import client_keys

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=150)


@given(TEXTS, TEXTS)
def test_a_digest_is_the_hmac_under_the_pepper(pepper, key):
    begun = client_keys._begun(pepper)
    inner, outer = begun[0].copy(), begun[1].copy()
    inner.update(key.encode())
    outer.update(inner.digest())
    assert outer.hexdigest() == hmac.digest(pepper.encode(), key.encode(), hashlib.sha256).hex()


def test_it_uses_the_pepper_of_the_settings(settings):
    settings.CLIENT_KEY_PEPPER = "one"
    first = client_keys.digest("sk-a")
    assert first == hmac.digest(b"one", b"sk-a", hashlib.sha256).hex()
    assert client_keys.digest("sk-b") != first
    settings.CLIENT_KEY_PEPPER = "other"
    assert client_keys.digest("sk-a") != first
