//! Guards against lists that are read as one word, or cut inside a quoted string, and against names
//! that are passed over misspelt, or refused although they are right.
use axum::http::HeaderValue;

use super::*;

#[test]
fn lists_are_read_over_all_lines() {
    let mut headers = HeaderMap::new();
    for line in [r#"a, "b,\",c" ,,"#, "d;x=\"1,2\"", " "] {
        headers.append(header::ACCEPT, HeaderValue::from_str(line).unwrap());
    }
    let read = list(&headers, &header::ACCEPT);
    assert_eq!(read, ["a", r#""b,\",c""#, r#"d;x="1,2""#]);
}

#[test]
fn pairs_may_be_quoted() {
    assert_eq!(pair("a"), ("a", String::new()));
    assert_eq!(pair("q = 0.5"), ("q", "0.5".to_owned()));
    assert_eq!(pair(r#"charset="utf\-8""#), ("charset", "utf-8".to_owned()));
}

#[test]
fn pairs_are_well_formed() {
    for pair in ["a", "a=b", "q = 0.5", r#"a="b, \"c\"""#, r#"a="""#, "a="] {
        assert!(is_pair(pair), "{pair}");
    }
    for pair in [
        "",
        "=b",
        "a b",
        r#""a"=b"#,
        r#"a="b"#,
        r#"a="b\""#,
        r#"a="b"c""#,
        "a=b c",
    ] {
        assert!(!is_pair(pair), "{pair}");
    }
}

#[test]
fn names_are_written_as_people_do() {
    assert_eq!(title(&header::CONTENT_TYPE), "Content-Type");
}

/// The registry of HTTP field names (IANA), as of 2025.
const REGISTRY: &str = "
    A-IM Accept Accept-Additions Accept-CH Accept-Charset Accept-Datetime Accept-Encoding
    Accept-Features Accept-Language Accept-Patch Accept-Post Accept-Query Accept-Ranges
    Accept-Signature Access-Control Access-Control-Allow-Credentials Access-Control-Allow-Headers
    Access-Control-Allow-Methods Access-Control-Allow-Origin Access-Control-Expose-Headers
    Access-Control-Max-Age Access-Control-Request-Headers Access-Control-Request-Method Activate-Storage-Access
    Age Allow ALPN Alt-Svc Alt-Used Alternates AMP-Cache-Transform Apply-To-Redirect-Ref
    Authentication-Control Authentication-Info Authorization Available-Dictionary C-Ext C-Man C-Opt
    C-PEP C-PEP-Info Cache-Control Cache-Group-Invalidation Cache-Groups Cache-Status
    Cal-Managed-ID CalDAV-Timezones Capsule-Protocol CDN-Cache-Control CDN-Loop Cert-Not-After
    Cert-Not-Before Clear-Site-Data Client-Cert Client-Cert-Chain Close CMCD-Object CMCD-Request
    CMCD-Session CMCD-Status CMSD-Dynamic CMSD-Static Concealed-Auth-Export
    Configuration-Context Connection Content-Base Content-Digest Content-Disposition
    Content-Encoding Content-ID Content-Language Content-Length Content-Location Content-MD5
    Content-Range Content-Script-Type Content-Security-Policy
    Content-Security-Policy-Report-Only Content-Style-Type Content-Type Content-Version Cookie
    Cookie2 Cross-Origin-Embedder-Policy Cross-Origin-Embedder-Policy-Report-Only
    Cross-Origin-Opener-Policy Cross-Origin-Opener-Policy-Report-Only
    Cross-Origin-Resource-Policy CTA-Common-Access-Token DASL Date DAV Default-Style Delta-Base
    Deprecation Depth Derived-From Destination Detached-JWS Differential-ID Dictionary-ID Digest
    DPoP DPoP-Nonce Early-Data EDIINT-Features ETag Expect Expect-CT Expires Ext Forwarded From
    GetProfile Hobareg Host HTTP2-Settings If If-Match
    If-Modified-Since If-None-Match If-Range If-Schedule-Tag-Match If-Unmodified-Since IM Include-Referred-Token-Binding-ID Incremental
    Isolation Keep-Alive Label Last-Event-ID Last-Modified Link Link-Template Location Lock-Token
    Man Max-Forwards Memento-Datetime Meter Method-Check Method-Check-Expires MIME-Version
    Negotiate NEL OData-EntityId OData-Isolation OData-MaxVersion OData-Version Opt
    Optional-WWW-Authenticate Ordering-Type Origin Origin-Agent-Cluster OSCORE OSLC-Core-Version
    Overwrite P3P PEP Pep-Info Permissions-Policy PICS-Label Ping-From Ping-To Position Pragma
    Prefer Preference-Applied Priority ProfileObject Protocol Protocol-Info Protocol-Query
    Protocol-Request Proxy-Authenticate Proxy-Authentication-Info Proxy-Authorization
    Proxy-Features Proxy-Instruction Proxy-Status Public Public-Key-Pins
    Public-Key-Pins-Report-Only Range Redirect-Ref Referer Referer-Root Referrer-Policy Refresh
    Repeatability-Client-ID Repeatability-First-Sent Repeatability-Request-ID
    Repeatability-Result Replay-Nonce Reporting-Endpoints Repr-Digest Retry-After Safe
    Schedule-Reply Schedule-Tag Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site
    Sec-Fetch-Storage-Access Sec-Fetch-User Sec-GPC Sec-Purpose Sec-Token-Binding
    Sec-WebSocket-Accept Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol
    Sec-WebSocket-Version Security-Scheme Server Server-Timing Set-Cookie Set-Cookie2
    Set-Txn SetProfile Signature Signature-Input SLUG SoapAction Status-URI
    Strict-Transport-Security Sunset Surrogate-Capability Surrogate-Control TCN TE Timeout Topic
    Traceparent Tracestate Trailer Transfer-Encoding TTL Upgrade Urgency URI
    Use-As-Dictionary User-Agent Variant-Vary Vary Via Want-Content-Digest Want-Digest
    Want-Repr-Digest Warning WWW-Authenticate X-Content-Type-Options X-Frame-Options
    Accept-Transfer-Encoding Content-Transfer-Encoding Compliance Cost Message-ID
    Non-Compliance Optional Resolution-Hint Resolver-Location SubOK Subst Title UA-Color
    UA-Media UA-Pixels UA-Resolution UA-Windowpixels Version";

/// What clients, proxies and browsers send besides.
const USUAL: &str = "
    baggage b3 cdn-loop cf-ray cf-connecting-ip device-memory dnt downlink ect fastly-client-ip
    front-end-https grpc-timeout priority proxy-connection rtt save-data sec-ch-prefers-color-scheme
    sec-ch-ua sentry-trace service-worker ssl-client-verify true-client-ip upgrade-insecure-requests
    viewport-width width x-amzn-trace-id x-auth-request-email x-authorization x-csrf-token x-digest
    x-forwarded-for x-match x-request-id";

#[test]
fn names_that_are_registered_or_usual_are_not_taken_for_others() {
    let names = REGISTRY.split_whitespace().chain(USUAL.split_whitespace());
    // These say what Idempotency-Key says and would be passed over, or are of answers only.
    let is_refused = |name: &str| name.starts_with("Repeatability-") || name == "ETag";
    for name in names.filter(|name| !is_refused(name)) {
        let name = name.to_ascii_lowercase();
        assert_eq!(meant(&name), None, "{name}");
        let is_override = OVERRIDES.contains(&name.as_str());
        assert_eq!(super::is_override(&name), is_override, "{name}");
        assert_eq!(unfollowed(&name).is_some(), is_override, "{name}");
    }
}

#[test]
fn misspelt_names_are_found() {
    for (meant, names) in [
        (
            "authorization",
            "authorisation authorize authentication authenticate authorizaton autorization bearer \
             http-authorization",
        ),
        (
            "idempotency-key",
            "idempotency idempotent idempotent-key idempotence-key idempotency-keys idempotencykey \
             request-idempotency-key x-idempotency-key repeatability-request-id",
        ),
        ("prefer", "prefers preference preferences perfer"),
        (
            "content-digest",
            "content-digests content_digest body-digest",
        ),
        ("repr-digest", "repr-digset rep-digest repr-digests"),
        ("digest", "digests digset"),
        ("content-md5", "content-md-5 contentmd5"),
        ("if-match", "match ifmatch etag-match if-mach"),
        ("if-none-match", "if-non-match ifnonematch"),
        (
            "content-encoding",
            "content-encodin content-encodings contentencoding encoding",
        ),
        ("content-range", "content-ranges content-rnage"),
        ("expect", "expects expct"),
        (
            "if-match",
            "x-if-match x-if_match precondition preconditions x-precondition expected-version \
             expected-etag expected_revision etag x-etag x-if-unmodified-since",
        ),
        ("if-none-match", "x-if-none-match"),
        ("prefer", "x-prefer handling x-handling strict"),
        (
            "content-digest",
            "content-sha256 x-content-sha-512 content-checksum content-hash content-crc32c \
             x-content-digest body-hash checksum x-checksum",
        ),
        ("content-encoding", "content-compression x-content-encoding"),
        (
            "idempotency-key",
            "idem-key request-key x-request-key retry-key dedup-key dedupe-key",
        ),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(super::meant(name), Some(meant), "{name}");
        }
    }
    for name in [
        "x-http-method-overide",
        "method-overrides",
        "http-methodoverride",
        "x-method",
        "method",
    ] {
        assert!(is_override(name), "{name}");
    }
    for name in [
        "dry-run",
        "x-dry-run",
        "dryrun",
        "validate-only",
        "base",
        "x-base",
    ] {
        assert!(unfollowed(name).is_some(), "{name}");
    }
}
