"""Who asks? Checks a request's signature and finds the principal behind it."""

from hashlib import sha256
from operator import itemgetter

from coldframe.arns import Scope
from coldframe.calls import Body, BytesBody, Principal, Request, RoutedCall, SignedCall
from coldframe.clock import Clock
from coldframe.identity import signature as sigv4
from coldframe.identity.claims import (
    Claim,
    MalformedClaimError,
    Presigned,
    is_presigned,
    parse_authorization,
    parse_presigned,
    seconds_of,
    timestamp_of_date_header,
)
from coldframe.identity.credentials import Credential, Credentials
from coldframe.identity.dialects import MAXIMUM_SKEW_SECONDS, Dialect, Mismatch, dialect_of, raise_malformed
from coldframe.identity.errors import AuthorizationQueryParametersError, InvalidArgument
from coldframe.identity.older_presigned import parse_older_presigned, verify_older_presigned
from coldframe.identity.payload import declared_payload, verified_body

GLOBAL_REGION = "us-east-1"
LONGEST_PRESIGNED_SECONDS = 604800
LARGEST_CACHE = 4096
"""Signing contexts that are kept; when there are more, all are dropped and made again as they are needed."""
ANONYMOUS = Principal(arn="", account_id="", kind="anonymous", user_id="")


class SigningContext:
    """What all requests of one client on one day have in common; made once, so that a request costs one HMAC."""

    __slots__ = ("_seen_names", "_template", "_values", "claim", "credential_scope", "key", "secret_access_key")

    def __init__(self, claim: Claim, secret_access_key: str) -> None:
        """Derive the key, and lay out the canonical request."""
        self.claim = claim
        self.credential_scope = claim.credential_scope
        self._values = itemgetter(*claim.signed_headers, "host")  # one more, so that a single one comes as a tuple too
        names = [name.replace("%", "%%") for name in claim.signed_headers]
        lines = "".join(f"{name}:%s\n" for name in names)
        self._template = f"%s\n%s\n%s\n{lines}\n{';'.join(names)}\n%s"
        self._seen_names: tuple[str, ...] = ()
        self.renew(secret_access_key)

    def renew(self, secret_access_key: str) -> None:
        """Take another secret."""
        self.secret_access_key = secret_access_key
        claim = self.claim
        self.key = sigv4.SigningKey(secret_access_key, claim.date, claim.region, claim.service)

    def unsigned_headers(self, headers: dict[str, str]) -> list[str]:
        """Headers that must be signed and are not: host and whatever speaks to AWS, or others could change them."""
        names = tuple(headers)
        if names == self._seen_names:
            return []
        signed = self.claim.signed_headers
        missing = [name for name in names if name.startswith("x-amz-") and name not in signed]
        if "host" not in signed:
            missing.append("host")
        if not missing:
            self._seen_names = names
        return missing

    def canonical_request(self, method: str, path: str, query: str, headers: dict[str, str], payload_hash: str) -> str:
        """The same as `signature.canonical_request`, in a fraction of the time."""
        try:
            text = self._template % (method, path, query, *self._values(headers)[:-1], payload_hash)
        except KeyError:  # a signed header was not sent
            text = "\t"
        if "  " in text or "\t" in text:  # a value that is written in another way than it is signed
            signed = self.claim.signed_headers
            return sigv4.canonical_request(method, path, query, headers, signed, payload_hash)
        return text


class Verifier:
    """Verifies requests of all services against one account's credentials."""

    def __init__(self, credentials: Credentials, scope: Scope, clock: Clock, body_bytes: int) -> None:
        """Take where keys are found, the region that is served, and the longest body that is held to be hashed."""
        self._credentials = credentials
        self._region = scope.region
        self._clock = clock
        self._body_bytes = body_bytes
        self._contexts: dict[tuple[str, str], SigningContext] = {}

    async def verify(self, routed: RoutedCall) -> SignedCall:
        """Find out who asks.

        A body whose hash was signed beforehand is checked as it is read; any other is read here, since its hash is
        part of what is signed. A request without a signature comes from the anonymous principal.

        Raises:
            AwsError: the signature is not valid, in the code and words of the service.
        """
        request = routed.request
        dialect = dialect_of(routed.service)
        header = request.headers.get("authorization")
        if header is None:
            if not is_presigned(request.query_string):
                older = parse_older_presigned(request.query_string) if dialect.is_s3 else None
                if older is not None:
                    return verify_older_presigned(routed, older, self._credentials, self._clock.now())
                return SignedCall(routed, ANONYMOUS, request.body)
            return await self._verify_presigned(routed, dialect)
        if dialect.is_s3 and is_presigned(request.query_string):
            raise InvalidArgument(
                message="Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
                "string parameter or the Authorization header should be specified"
            )
        return await self._verify_header(routed, dialect, header)

    async def _verify_header(self, routed: RoutedCall, dialect: Dialect, header: str) -> SignedCall:
        request = routed.request
        headers = request.headers
        prefix, _, given = header.rpartition("Signature=")
        context = self._contexts.get((dialect.signing_name, prefix))
        fresh = context is None
        if context is None:
            context, given = self._context_of(header, dialect)
        claim = context.claim
        timestamp = self._timestamp(headers, claim, dialect)
        credential = self._credential(context, dialect, headers.get("x-amz-security-token", ""))
        if unsigned := context.unsigned_headers(headers):
            raise dialect.unsigned_headers(unsigned)
        declared = declared_payload(headers, dialect)
        if declared is None:
            content = await request.body.read(self._body_bytes)
            payload_hash = sha256(content).hexdigest()
            body: Body = BytesBody(content)
        else:
            payload_hash, body = declared, request.body
        self._check_signature(request, context, dialect, given, timestamp, payload_hash)
        if fresh:
            self._keep(prefix, context, dialect)
        if declared is not None:
            body = verified_body(request, declared, (context.key, timestamp, context.credential_scope, given))
        return SignedCall(routed, credential.principal, body)

    async def _verify_presigned(self, routed: RoutedCall, dialect: Dialect) -> SignedCall:
        request = routed.request
        try:
            presigned = parse_presigned(request.query_string)
            signed_at = seconds_of(presigned.timestamp)
        except MalformedClaimError as fault:
            raise_malformed(dialect, fault, None, presigned=True)
        context = self._new_context(presigned.claim, dialect)
        self._check_scope_date(presigned.claim, presigned.timestamp, dialect)
        credential = self._credential(context, dialect, presigned.security_token)
        self._check_expiry(presigned, signed_at, dialect)
        if unsigned := context.unsigned_headers(request.headers):
            raise dialect.unsigned_headers(unsigned)
        if dialect.is_s3:
            declared = request.headers.get("x-amz-content-sha256", sigv4.UNSIGNED_PAYLOAD)
            body = request.body
        else:
            content = await request.body.read(self._body_bytes)
            declared, body = sha256(content).hexdigest(), BytesBody(content)
        self._check_signature(
            request, context, dialect, presigned.signature, presigned.timestamp, declared, leave_out="X-Amz-Signature"
        )
        if dialect.is_s3:
            seed = (context.key, presigned.timestamp, context.credential_scope, presigned.signature)
            body = verified_body(request, declared, seed)
        return SignedCall(routed, credential.principal, body)

    def _context_of(self, header: str, dialect: Dialect) -> tuple[SigningContext, str]:
        """Read a header that was not seen before."""
        try:
            claim, given = parse_authorization(header)
        except MalformedClaimError as fault:
            raise_malformed(dialect, fault, None, presigned=False)
        return self._new_context(claim, dialect), given

    def _new_context(self, claim: Claim, dialect: Dialect) -> SigningContext:
        """Check a claim's scope, and make ready what its requests are checked with."""
        if claim.region != self._region and not (dialect.regionless and claim.region == GLOBAL_REGION):
            raise dialect.wrong_region(claim, self._region)
        if claim.service != dialect.signing_name:
            raise dialect.wrong_service(claim)
        credential = self._credentials.find(claim.access_key_id)
        if credential is None:
            raise dialect.unknown_key(claim)
        return SigningContext(claim, credential.secret_access_key)

    def _keep(self, prefix: str, context: SigningContext, dialect: Dialect) -> None:
        """Remember a context, but only once a signature made with it was right: nobody else may fill the memory."""
        if prefix.endswith((",", ", ", " ")):  # the signature stood last, so that the prefix says all the rest
            if len(self._contexts) >= LARGEST_CACHE:
                self._contexts.clear()
            self._contexts[dialect.signing_name, prefix] = context

    def _credential(self, context: SigningContext, dialect: Dialect, token: str) -> Credential:
        """The key as it is now: it may have been taken back or renewed since the context was made."""
        claim = context.claim
        credential = self._credentials.find(claim.access_key_id)
        if credential is None:
            raise dialect.unknown_key(claim)
        if credential.secret_access_key != context.secret_access_key:
            context.renew(credential.secret_access_key)
        if (token or credential.session_token) and not sigv4.same(credential.session_token, token):
            raise dialect.bad_token(token)
        if credential.expires_at is not None and self._clock.now() >= credential.expires_at:
            raise dialect.expired_token()
        return credential

    def _timestamp(self, headers: dict[str, str], claim: Claim, dialect: Dialect) -> str:
        """When the request was signed; refused if that is not about now."""
        timestamp = headers.get("x-amz-date")
        try:
            if timestamp is None:
                timestamp = timestamp_of_date_header(headers.get("date", ""))
            signed_at = seconds_of(timestamp)
        except MalformedClaimError as fault:
            raise_malformed(dialect, fault, claim, presigned=False)
        if claim.date != timestamp[:8]:
            raise dialect.wrong_date(claim, timestamp)
        now = self._clock.now()
        if not -MAXIMUM_SKEW_SECONDS <= now - signed_at <= MAXIMUM_SKEW_SECONDS:
            raise dialect.skewed(timestamp, now)
        return timestamp

    @staticmethod
    def _check_scope_date(claim: Claim, timestamp: str, dialect: Dialect) -> None:
        if claim.date != timestamp[:8]:
            raise dialect.wrong_date(claim, timestamp)

    def _check_expiry(self, presigned: Presigned, signed_at: float, dialect: Dialect) -> None:
        """A presigned URL is good from when it was signed for as long as it says."""
        now = self._clock.now()
        expires = presigned.expires_seconds
        if dialect.is_s3:
            _check_expires_range(expires)
        if signed_at > now + MAXIMUM_SKEW_SECONDS:
            raise dialect.skewed(presigned.timestamp, now)
        expires = MAXIMUM_SKEW_SECONDS if expires is None else min(expires, LONGEST_PRESIGNED_SECONDS)
        if now > signed_at + expires:
            raise dialect.expired_url(presigned.timestamp, expires, now)

    @staticmethod
    def _check_signature(
        request: Request,
        context: SigningContext,
        dialect: Dialect,
        given: str,
        timestamp: str,
        payload_hash: str,
        *,
        leave_out: str = "",
    ) -> None:
        """Compute the signature and compare."""
        path = sigv4.canonical_path(request.raw_path, is_s3=dialect.is_s3)
        query = sigv4.canonical_query(request.query_string, leave_out=leave_out)
        headers = request.headers
        canonical = context.canonical_request(request.method, path, query, headers, payload_hash)
        text = sigv4.string_to_sign(timestamp, context.credential_scope, canonical)
        if sigv4.same(context.key.sign(text), given):
            return
        for host in _host_variants(headers.get("host", "")):
            variant = context.canonical_request(request.method, path, query, {**headers, "host": host}, payload_hash)
            signed = sigv4.string_to_sign(timestamp, context.credential_scope, variant)
            if sigv4.same(context.key.sign(signed), given):
                return
        raise dialect.mismatch(Mismatch(context.claim, given, canonical, text))


def _host_variants(host: str) -> list[str]:
    """Other ways to write the same host: clients differ in whether they sign capitals and the port of their scheme."""
    lower = host.lower()
    variants = {lower}
    for port in (":80", ":443"):
        variants.add(lower.removesuffix(port))
        if ":" not in lower:
            variants.add(lower + port)
    variants.discard(host)
    return sorted(variants)


def _check_expires_range(expires: int | None) -> None:
    """S3's own words for what an expiry may be."""
    if expires is None:
        raise AuthorizationQueryParametersError(
            message="Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if expires < 1:
        raise AuthorizationQueryParametersError(message="X-Amz-Expires must be non-negative")
    if expires > LONGEST_PRESIGNED_SECONDS:
        raise AuthorizationQueryParametersError(
            message="X-Amz-Expires must be less than a week (in seconds) that is 604800"
        )
