"""The signer that sends to SQS use, held to botocore's own."""

from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from botocore import auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from steersman.aws.signing import QuickSigV4Auth

ascii_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
header_names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True) | st.sampled_from(
    ["X-Amz-Target", "x-amzn-query-mode", "User-Agent", "X-Amzn-Trace-Id", "Host", "Date", "Authorization",
     "X-Amz-Security-Token", "X-Amz-Content-SHA256", "Connection", "Transfer-Encoding"]
)  # fmt: skip
header_values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=40)
headers = st.lists(st.tuples(header_names, header_values), max_size=12)
urls = st.sampled_from(
    [
        "https://sqs.eu-central-1.amazonaws.com/",
        "https://sqs.us-gov-west-1.api.aws/",
        "https://sqs.eu-west-1.amazonaws.com:443",
        "http://127.0.0.1:4566/",
        "http://[::1]:4566/a/../b%20c//d",
        "https://EXAMPLE.com:8443/queue?b=2&a=1&a",
    ]
)
credentials = st.builds(ReadOnlyCredentials, ascii_text, ascii_text, st.none() | ascii_text)
times = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1))  # noqa: DTZ001  aware below
contexts = st.sampled_from(
    [
        {},
        {"signing": {"region": "eu-west-3"}},
        {"payload_signing_enabled": False},
        {"checksum": {"request_algorithm": {"in": "trailer"}}},
    ]
)
bodies = st.binary(max_size=2000) | st.text(max_size=50) | st.dictionaries(ascii_text, ascii_text, max_size=3)


def signed(signer: type[SigV4Auth], known: tuple[Any, ...], given_headers: list[tuple[str, str]]) -> Any:
    method, url, body, context, identity, region, service, at = known
    request = AWSRequest(method=method, url=url, data=body)
    for name, value in given_headers:
        request.headers[name] = value  # a mail's headers: one more, not another
    request.context = dict(context)
    with patch.object(auth, "get_current_datetime", lambda: at.replace(tzinfo=UTC)):
        for _ in range(2):  # a retry signs what is signed
            signer(identity, service, region).add_auth(request)
    return sorted(request.headers.items())


@given(
    st.tuples(
        st.sampled_from(["POST", "PUT", "GET"]),
        urls,
        bodies,
        contexts,
        credentials,
        st.sampled_from(["eu-central-1", "us-gov-west-1", "local"]),
        st.sampled_from(["sqs", "sns"]),
        times,
    ),
    headers,
)
def test_any_request_is_signed_as_botocore_signs_it(
    known: tuple[Any, ...], given_headers: list[tuple[str, str]]
) -> None:
    """Whatever is sent, by whom, when and where, has the headers that botocore's own signer gives it."""
    assert signed(QuickSigV4Auth, known, given_headers) == signed(SigV4Auth, known, given_headers)


def test_new_credentials_and_a_new_day_have_a_new_key() -> None:
    """The remembered key is of one secret, day, region and service: with any other the signature is botocore's too."""
    identity, at = ReadOnlyCredentials("a", "s", None), datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
    first: tuple[Any, ...] = ("POST", "https://sqs.example/", b"{}", {}, identity, "r", "sqs", at)
    others = [
        (*first[:4], ReadOnlyCredentials("a", "other", None), *first[5:]),
        (*first[:5], "other", *first[6:]),
        (*first[:6], "other", first[7]),
        (*first[:7], datetime(2026, 2, 1, tzinfo=UTC)),
    ]
    found = [signed(QuickSigV4Auth, known, []) for known in (first, *others, first)]
    assert found == [signed(SigV4Auth, known, []) for known in (first, *others, first)]
