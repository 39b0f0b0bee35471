import ipaddress

import pytest

from providers.adapters.addresses import check_base_url, is_forbidden_address


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:11434/v1",
        "http://localhost:8000",
        "http://192.168.1.20:1234/v1",
        "http://10.0.0.5",
        "http://[::1]:8080/v1",
        "http://ollama:11434/v1",
    ],
)
def test_vendors_loopback_and_private_addresses_are_allowed(url):
    check_base_url(url)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://example.com", "http://"),
        ("file:///etc/passwd", "http://"),
        ("api.openai.com/v1", "http://"),
        ("http://", "host"),
        ("https://user:pw@example.com", "password"),
        ("https://example.com/v1?key=1", "path"),
        ("https://example.com/v1#x", "path"),
        ("https://exa mple.com", "blank"),
        ("http://[::1", "valid URL"),
        ("http://host:99999", "valid URL"),
        ("http://169.254.169.254/latest", "link-local"),
        ("http://169.254.10.1", "link-local"),
        ("http://[fe80::1]/", "link-local"),
        ("http://[::ffff:169.254.169.254]/", "link-local"),
        ("http://[fd00:ec2::254]/", "metadata"),
        ("http://100.100.100.200/", "metadata"),
        ("http://metadata.google.internal/", "metadata"),
        ("http://METADATA.google.internal./", "metadata"),
        ("http://2852039166/", "decimal"),
        ("http://0xa9fea9fe/", "decimal"),
        ("http://0251.0376.0251.0376/", "decimal"),
        ("http://0.0.0.0:80", "link-local"),
    ],
)
def test_an_unfit_address_is_refused_with_a_sentence(url, word):
    with pytest.raises(ValueError, match=word) as refused:
        check_base_url(url)
    assert str(refused.value).endswith(".")


def test_the_inner_address_of_an_ipv6_wrapper_counts():
    assert is_forbidden_address(ipaddress.ip_address("::ffff:169.254.169.254"))
    assert is_forbidden_address(ipaddress.ip_address("2002:a9fe:a9fe::1"))
    assert not is_forbidden_address(ipaddress.ip_address("::ffff:127.0.0.1"))
