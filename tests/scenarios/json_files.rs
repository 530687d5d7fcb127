//! Files by the JSON face: a place, its content, and the link by which others find it.

use serde_json::json;
use waxwing_tests::web::{get, request};
use waxwing_tests::{Setup, World};

use crate::world::{self, world, world_with};

async fn put(world: &World, path: &str, authorization: Option<&str>, content: &[u8]) -> u16 {
    let mut headers =
        vec![format!("Content-Length: {}", content.len()), "Content-Type: text/plain".to_owned()];
    headers.extend(authorization.map(|value| format!("Authorization: {value}")));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    request(world, &format!("PUT {path}"), &headers, content).await.unwrap().status
}

#[tokio::test]
async fn a_file_is_put_and_read_at_a_path_of_this_server() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let begun = romeo.ask("file.begin", json!({ "name": "a b.txt", "bytes": 5, "type": "text/plain" })).await;
    let path = begun["url"].as_str().expect("a path").to_owned();
    assert!(path.starts_with("/files/") && path.ends_with("/a%20b.txt"), "{path}");
    assert_eq!(begun["upload"]["url"], path);
    let secret = begun["upload"]["headers"]["Authorization"].as_str().expect("a secret").to_owned();
    assert_eq!(put(&world, &path, None, b"hello").await, 401);
    assert_eq!(put(&world, &path, Some("Bearer guess"), b"hello").await, 403);
    assert_eq!(put(&world, &path, Some(&secret), b"hello").await, 201);
    let read = get(&world, &path, &[]).await;
    assert_eq!((read.status, &*read.body), (200, &b"hello"[..]));
    assert_ne!(put(&world, &path, Some(&secret), b"other").await, 201, "once only");
    assert_eq!(get(&world, &path, &[]).await.body, b"hello");
}

#[tokio::test]
async fn what_is_no_file_is_refused_by_its_field() {
    let section = "[files]\nfile_bytes_limit = 100\nmedia_types = [\"image/*\"]\nfiles_per_hour_limit = 1";
    let world = world_with(Setup::default().section(section)).await;
    let mut romeo = world::json(&world, "romeo").await;
    let order = |name: &str, bytes: u64, kind: &str| json!({ "name": name, "bytes": bytes, "type": kind });
    for (params, condition, field) in [
        (order("a", 0, "image/png"), "invalid_params", json!("bytes")),
        (order("a", 101, "image/png"), "limit_exceeded", json!("bytes")),
        (order("", 1, "image/png"), "invalid_params", json!("name")),
        (order(&"x".repeat(5_000), 1, "image/png"), "invalid_params", json!("name")),
        (order("a", 1, "what?"), "invalid_params", json!("type")),
        (order("a", 1, "text/html"), "not_allowed", json!("type")),
    ] {
        let refused = romeo.refused("file.begin", params.clone()).await;
        assert_eq!(
            (&refused["data"]["condition"], &refused["data"]["field"]),
            (&json!(condition), &field),
            "{params}"
        );
    }
    romeo.ask("file.begin", order("a", 1, "image/png")).await;
    let refused = romeo.refused("file.begin", order("a", 1, "image/png")).await;
    assert_eq!(refused["data"]["condition"], "limit_exceeded");
    // Another's places are his own.
    let mut juliet = world::json(&world, "juliet").await;
    juliet.ask("file.begin", order("a", 1, "image/png")).await;
}
