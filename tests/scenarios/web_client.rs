//! The web client as a browser gets it: the page and what it loads, with their headers.

use serde_json::{Value, json};
use waxwing_tests::web::{Answer, get, request};
use waxwing_tests::{Setup, World};

use crate::world::{world, world_with};

const NAVIGATION: &str = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// What every answer of the page has.
fn check_headers(answer: &Answer) {
    let policy = answer.header("content-security-policy").unwrap_or_default();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split(';').any(|directive| directive.trim() == part), "{part}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    let permissions = answer.header("permissions-policy").unwrap_or_default();
    assert!(
        permissions.contains("microphone=(self)") && permissions.contains("geolocation=()"),
        "{permissions}"
    );
}

async fn browse(world: &World, path: &str) -> Answer {
    let answer = get(world, path, &[NAVIGATION]).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.head);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
    assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
    check_headers(&answer);
    answer
}

#[tokio::test]
async fn a_browser_gets_the_page_wherever_it_goes() {
    let world = world().await;
    let page = browse(&world, "/").await;
    assert!(page.body.starts_with(b"<!doctype html>"), "{}", String::from_utf8_lossy(&page.body));
    for path in ["/c/general@rooms.localhost", "/nowhere/at/all", "/..%2f..%2fetc%2fpasswd", "/index.html"] {
        assert_eq!(browse(&world, path).await.body, page.body, "{path}");
    }
    // A page's own requests do not take the page for what they look for.
    for path in ["/nowhere", "/api/nothing", "/favicon-that-is-not-there.ico", "/../../etc/passwd"] {
        assert_eq!(get(&world, path, &["Accept: */*"]).await.status, 404, "{path}");
    }
    for path in
        ["/api/nothing", "/assets/gone.js", "/files/nothing", "/invite/nothing", "/assets/../../etc/passwd"]
    {
        assert_eq!(get(&world, path, &[NAVIGATION]).await.status, 404, "{path}");
    }
    let posted = request(&world, "POST /", &["Content-Length: 0"], b"").await.unwrap();
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
}

/// What a page knows before anybody has signed in, and nothing more.
#[tokio::test]
async fn a_page_knows_the_domains_before_anybody_signs_in() {
    for (setup, domains, registration) in [
        (Setup::default(), &["localhost"][..], false),
        (
            Setup::default().domains(&["one.example", "two.example"]).section("open_registration = true"),
            &["one.example", "two.example"],
            true,
        ),
    ] {
        let world = world_with(setup).await;
        let answer = get(&world, "/api/about", &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
        let about: Value = serde_json::from_slice(&answer.body).unwrap();
        let told = json!({ "name": domains[0], "domains": domains, "registration": registration });
        assert_eq!(about, told);
        let posted = request(&world, "POST /api/about", &["Content-Length: 0"], b"").await.unwrap();
        assert_eq!(posted.status, 405);
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let world = world().await;
    let page = browse(&world, "/").await;
    let tag = page.header("etag").expect("a tag").to_owned();
    let again = get(&world, "/", &[NAVIGATION, &format!("If-None-Match: {tag}")]).await;
    assert_eq!((again.status, again.body.len()), (304, 0), "{}", again.head);
    let changed = get(&world, "/", &[NAVIGATION, "If-None-Match: \"another\""]).await;
    assert_eq!((changed.status, &changed.body), (200, &page.body));
    let head = request(&world, "HEAD /", &[NAVIGATION], b"").await.unwrap();
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*page.body.len().to_string()));
}

#[tokio::test]
async fn what_the_page_loads_is_compressed_and_kept() {
    let world = world().await;
    let page = browse(&world, "/").await;
    let text = String::from_utf8(page.body).unwrap();
    let loaded: Vec<&str> =
        text.split('"').filter(|part| part.starts_with("/assets/") && !part.contains(' ')).collect();
    if loaded.is_empty() {
        assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "this binary has no web client");
        eprintln!("SKIPPED: this binary has no web client, because it was built without Node.js");
        return;
    }
    for path in loaded {
        let plain = get(&world, path, &[]).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("cache-control"), Some("public, max-age=31536000, immutable"));
        check_headers(&plain);
        for coding in ["br", "gzip"] {
            let coded = get(&world, path, &[&format!("Accept-Encoding: {coding}")]).await;
            assert_eq!(coded.header("content-encoding"), Some(coding), "{path}");
            assert!(coded.body.len() < plain.body.len(), "{path}");
            assert_ne!(coded.header("etag"), plain.header("etag"), "{path}");
            assert!(coded.header("vary").is_some_and(|vary| vary.contains("Accept-Encoding")));
        }
    }
}
