//! The web client: its files, which are in this binary, with the headers that keep a page to itself.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What the build put into the binary.
mod built {
    use super::File;

    include!(concat!(env!("OUT_DIR"), "/web.rs"));
}

/// Whether the web client is in this binary, and not only a page that says that it is not.
pub const IS_BUILT_IN: bool = built::IS_BUILT_IN;

/// The page that everything else is loaded from.
const INDEX: &str = "/index.html";

/// Where the files lie whose names say what is in them.
const LASTING: &str = "/assets/";

/// Paths of other faces. Nothing below them is a view of the web client.
const TAKEN: [&str; 8] =
    ["/api/", LASTING, "/files/", "/health/", "/hooks/", "/invite/", "/metrics/", "/.well-known/"];

/// The page runs its own scripts and talks to its own server; nothing comes from elsewhere, and no other page frames it. Browsers
/// count the WebSocket of the same host as `'self'` (CSP Level 3 section 6.7.2.8).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the page may ask the browser for: to record what somebody says or shows, and nothing else.
const PERMISSIONS: &str = "camera=(self), microphone=(self), accelerometer=(), display-capture=(), \
     geolocation=(), gyroscope=(), hid=(), magnetometer=(), midi=(), payment=(), serial=(), usb=()";

/// A file of the web client.
struct File {
    /// Where it is found.
    path: &'static str,
    /// The hash of its content.
    hash: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// Answers at every path that no other face has.
pub(super) async fn page(request: Request) -> Response {
    answer(built::FILES, request.method(), request.uri().path(), request.headers())
}

fn answer(files: &'static [File], method: &Method, path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = asked(files, path, headers) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let (coding, content) = file.coded(headers);
    let tag = match coding {
        Some(coding) => format!("\"{}-{coding}\"", file.hash),
        None => format!("\"{}\"", file.hash),
    };
    let mut response = if is_held(headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(content).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(file.path)));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let lasting = match file.path.starts_with(LASTING) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    for (name, value) in [
        (header::CACHE_CONTROL, lasting),
        (header::VARY, "Accept, Accept-Encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The file at a path, or the page itself where a browser goes to a view of it.
fn asked(files: &'static [File], path: &str, headers: &HeaderMap) -> Option<&'static File> {
    let at = |path: &str| files.iter().find(|file| file.path == path);
    if path == "/" {
        return at(INDEX);
    }
    at(path).or_else(|| {
        let taken = TAKEN.iter().any(|taken| path.starts_with(taken) || path == taken.trim_end_matches('/'));
        at(INDEX).filter(|_| !taken && is_navigation(headers))
    })
}

/// Whether somebody goes to an address with a browser. What a page loads says that it wants something else than a page.
fn is_navigation(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
}

/// Whether the asker has what he would get (RFC 9110 section 13.1.2).
fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).map(str::trim).any(|given| {
        // A proxy that compresses anew weakens the tag.
        given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag
    })
}

impl File {
    /// The content as the asker takes it, and how it is coded.
    fn coded(&self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        let accepts = |coding| accepts(headers, coding);
        match (self.brotli, self.gzip) {
            (Some(brotli), _) if accepts("br") => (Some("br"), brotli),
            (_, Some(gzip)) if accepts("gzip") => (Some("gzip"), gzip),
            _ => (None, self.plain),
        }
    }
}

/// Whether a coding is taken (RFC 9110 section 12.5.3). Only one that is named counts.
fn accepts(headers: &HeaderMap, coding: &str) -> bool {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    given.flat_map(|value| value.split(',')).any(|given| {
        let mut parts = given.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| {
            part.split_once('=').is_some_and(|(name, weight)| {
                name.trim().eq_ignore_ascii_case("q")
                    && weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
            })
        });
        named && !refused
    })
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    static FILES: &[File] = &[
        File {
            path: "/assets/app-1a2b.js",
            hash: "aa",
            plain: b"plain",
            brotli: Some(b"br"),
            gzip: Some(b"gz"),
        },
        File { path: "/assets/logo.png", hash: "bb", plain: b"png", brotli: None, gzip: None },
        File {
            path: "/index.html",
            hash: "cc",
            plain: b"<!doctype html>",
            brotli: Some(b"br"),
            gzip: Some(b"gz"),
        },
        File { path: "/sw.js", hash: "dd", plain: b"worker", brotli: None, gzip: None },
    ];

    const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

    async fn get(path: &str, given: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            headers.append(name, value.parse().expect("a value"));
        }
        let (parts, body) = answer(FILES, &Method::GET, path, &headers).into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn each_asker_gets_the_smallest_coding_that_he_takes() {
        let cases = [
            ("", None, "plain"),
            ("gzip, deflate, br, zstd", Some("br"), "br"),
            ("GZIP", Some("gzip"), "gz"),
            ("gzip;q=0.5, br;q=0", Some("gzip"), "gz"),
            ("br ; q=0.0 , gzip; Q=0", None, "plain"),
            ("brotli, x-gzip", None, "plain"),
            ("*", None, "plain"),
        ];
        for (accepted, coding, body) in cases {
            let (status, headers, got) = get("/assets/app-1a2b.js", &[("accept-encoding", accepted)]).await;
            let told = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
            assert_eq!((status, told, &*got), (StatusCode::OK, coding, body), "{accepted}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        }
        let (_, headers, got) = get("/assets/logo.png", &[("accept-encoding", "br, gzip")]).await;
        assert!(!headers.contains_key(header::CONTENT_ENCODING) && got == "png");
    }

    #[tokio::test]
    async fn what_the_asker_has_is_not_sent_again() {
        let br = ("accept-encoding", "br");
        let (_, headers, _) = get("/sw.js", &[]).await;
        assert_eq!(headers[header::ETAG], "\"dd\"");
        for held in ["\"dd\"", "\"x\", W/\"dd\"", "*"] {
            let (status, headers, body) = get("/sw.js", &[("if-none-match", held)]).await;
            assert_eq!((status, &*body), (StatusCode::NOT_MODIFIED, ""), "{held}");
            assert_eq!(headers[header::CACHE_CONTROL], "no-cache");
        }
        assert_eq!(get("/", &[br, ("if-none-match", "\"cc-br\"")]).await.0, StatusCode::NOT_MODIFIED);
        assert_eq!(get("/", &[br, ("if-none-match", "\"cc\"")]).await.0, StatusCode::OK, "another coding");
    }

    #[tokio::test]
    async fn files_named_by_their_content_are_kept_and_the_page_is_asked_for_again() {
        assert_eq!(
            get("/assets/logo.png", &[]).await.1[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        for path in ["/", "/sw.js", "/index.html"] {
            assert_eq!(get(path, &[]).await.1[header::CACHE_CONTROL], "no-cache", "{path}");
        }
    }

    #[tokio::test]
    async fn a_browser_finds_the_page_at_every_path_that_nobody_else_has() {
        for path in ["/c/general@rooms.localhost", "/nowhere", "/apiary", "/../etc/passwd", "/%2e%2e/x"] {
            let (status, headers, body) = get(path, &[BROWSER]).await;
            assert_eq!((status, &*body), (StatusCode::OK, "<!doctype html>"), "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(get(path, &[("accept", "*/*")]).await.0, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(get(path, &[]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        for path in
            ["/assets/gone.js", "/assets/../index.html", "/api/nothing", "/api", "/files/x", "/metrics"]
        {
            assert_eq!(get(path, &[BROWSER]).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn only_reading_is_possible() {
        let posted = answer(FILES, &Method::POST, "/", &HeaderMap::new());
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(posted.headers()[header::ALLOW], "GET, HEAD");
    }

    #[test]
    fn the_binary_has_a_page() {
        assert!(built::FILES.iter().any(|file| file.path == INDEX && !file.plain.is_empty()));
        assert!(built::FILES.iter().all(|file| file.hash.len() == 32));
    }
}
