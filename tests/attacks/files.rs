//! Attacks by way of files: content beyond what was announced, links that nobody was given, pictures that are bombs, pages in
//! disguise, places taken in a race, and clients that take their time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::web::{Answer, Slot, ask_slot, get, request, upload};
use waxwing_tests::{Setup, World};

use crate::world::{figure, kib, process, size, world, world_with};

/// A link that this server could have made, to nothing.
const NOTHING: &str = "/files/abcdefghijklmnopqrstuvwxyz234567/a";

async fn with(section: &str) -> World {
    world_with(Setup::default().section(&format!("[files]\n{section}"))).await
}

/// Threats row 37: exactly the length that was announced, once, by whoever has the secret.
/// covers: XEP-0363 7 length; XEP-0363 7 type
#[tokio::test]
async fn uploads_beyond_the_slot_are_refused() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let mut mallory = world.online("mallory/street").await;
    let type_ = "Content-Type: image/png";
    let slot = Slot::request(&mut romeo, "a.png", 10, "image/png").await;
    let other = Slot::request(&mut mallory, "b.png", 10, "image/png").await;
    let own = slot.authorization.as_str();
    let strange = other.authorization.as_str();
    /// What it is, its header fields, its body, and the answers that are right.
    type Case<'a> = (&'a str, &'a [&'a str], &'a [u8], &'a [u16]);
    let cases: [Case<'_>; 14] = [
        ("longer", &["Content-Length: 11", type_, own], b"0123456789x", &[413]),
        (
            "much longer",
            &["Content-Length: 18446744073709551615", type_, own],
            b"0123456789",
            &[413, 400, 431],
        ),
        ("shorter", &["Content-Length: 9", type_, own], b"012345678", &[400]),
        ("cut off", &["Content-Length: 10", type_, own, "X: cut"], b"", &[0, 400, 408]),
        ("empty", &["Content-Length: 0", type_, own], b"", &[400]),
        ("negative", &["Content-Length: -10", type_, own], b"0123456789", &[400, 411]),
        ("without length", &[type_, own], b"0123456789", &[411]),
        ("chunked", &["Transfer-Encoding: chunked", type_, own], b"a\r\n0123456789\r\n0\r\n\r\n", &[411]),
        ("without secret", &["Content-Length: 10", type_], b"0123456789", &[401]),
        ("another's secret", &["Content-Length: 10", type_, strange], b"0123456789", &[403]),
        ("wrong secret", &["Content-Length: 10", type_, "Authorization: Bearer x"], b"0123456789", &[403]),
        (
            "Basic",
            &["Content-Length: 10", type_, "Authorization: Basic cm9tZW86cm9tZW8="],
            b"0123456789",
            &[401],
        ),
        ("another type", &["Content-Length: 10", "Content-Type: text/html", own], b"0123456789", &[415]),
        ("two lengths", &["Content-Length: 10", "Content-Length: 11", type_, own], b"0123456789x", &[400]),
    ];
    let count = cases.len();
    for (name, headers, body, expected) in cases {
        let put = async {
            loop {
                let answer = match name {
                    "cut off" => cut_off(&world, &slot, headers).await,
                    _ => slot.put_with(&world, headers, body).await,
                };
                // A place whose content was cut off is given back a moment after the connection has ended.
                if answer.status != 409 {
                    return answer;
                }
            }
        };
        let answer = timeout(PATIENCE, put).await.expect("the place is given back");
        assert!(expected.contains(&answer.status), "{name}: {}", answer.head);
        assert_eq!(get(&world, &slot.path, &[]).await.status, 404, "{name}");
    }
    // The secret of one place does not open another, and a file once stored stays.
    let put = async |slot: &Slot, content: &'static [u8]| slot.put(&world, content).await.status;
    let good = Slot::request(&mut romeo, "c.png", 10, "image/png").await;
    let borrowed = Slot { authorization: good.authorization.clone(), ..slot.clone() };
    assert_eq!(put(&borrowed, b"0123456789").await, 403);
    assert_eq!(put(&good, b"0123456789").await, 201);
    assert_eq!(put(&good, b"9876543210").await, 409, "twice");
    assert_eq!(get(&world, &good.path, &[]).await.body, b"0123456789");
    figure(&format!(
        "{count} kinds of uploads beyond their place, twice, late, with another's secret: 0 kept"
    ));
}

/// A place that nobody fills in time is closed.
/// covers: XEP-0363 8 timeout
#[tokio::test]
async fn places_close_in_time() {
    let world = with("slot_lifetime_ms = 1_000").await;
    let mut romeo = world.online("romeo/garden").await;
    let late = Slot::request(&mut romeo, "a.png", 10, "image/png").await;
    let expired = async {
        loop {
            // Asked with the wrong length, so that asking does not fill it.
            let headers = ["Content-Length: 9", &*late.authorization];
            match late.put_with(&world, &headers, b"").await.status {
                400 => tokio::task::yield_now().await,
                status => return status,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, expired).await.expect("the place closes"), 403);
    assert_eq!(late.put(&world, b"0123456789").await.status, 403);
}

/// Announces all and sends a part of it, then hangs up.
async fn cut_off(world: &World, slot: &Slot, headers: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let head =
        format!("PUT {} HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n01234", slot.path, headers.join("\r\n"));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    Answer::parse(&answer)
}

/// CVE-2023-32315 and its like: names are the server's own, so that no path leads out of where files are kept.
#[tokio::test]
async fn paths_lead_nowhere() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let names = [
        "../../../etc/passwd",
        "..\\..\\waxwing.toml",
        "/etc/passwd",
        "a/../../b",
        "%2e%2e%2fa",
        "..%c0%af..%c0%afa",
        "a\u{202e}gpj.exe",
        ".htaccess",
        "CON",
        "a;rm -rf ~",
        "$(id)",
        "<script>alert(1)</script>.png",
        "a\" onload=\"x.png",
    ];
    for name in names {
        let slot = upload(&world, &mut romeo, name, "application/zip", b"content").await;
        let answer = get(&world, &slot.path, &[]).await;
        assert_eq!(answer.body, b"content", "{name}: {}", answer.head);
        let said = answer.header("Content-Disposition").unwrap();
        assert!(
            said.starts_with("attachment; filename=\"") && !said.contains("../") && !said.contains("..\\"),
            "{name}: {said}"
        );
        assert_eq!(said.matches('"').count(), 2, "{name}: {said}");
    }
    let kept = world.server.data().join("files");
    let outside: Vec<_> =
        std::fs::read_dir(world.server.folder()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(!outside.iter().any(|name| name == "passwd" || name == "b"), "{outside:?}");
    assert!(kept.join("incoming").read_dir().unwrap().next().is_none(), "nothing is left half done");
    let paths = [
        "/files/..%2f..%2fwaxwing.db",
        "/files/%2e%2e/%2e%2e/waxwing.db",
        "/files/../waxwing.db",
        "/files/..%252f..%252fwaxwing.db",
        "/files/incoming/",
        "/files/incoming/a.0",
        "/files/ab/abcdefghijklmnopqrstuvwxyz234567",
        "/files/abcdefghijklmnopqrstuvwxyz234567-thumbnail/a",
        "/files/ABCDEFGHIJKLMNOPQRSTUVWXYZ234567/a",
        "/files/abcdefghijklmnopqrstuvwxyz234567%00/a",
        "/files/abcdefghijklmnopqrstuvwxyz23456%37/../../a",
        "/files/..%c0%af..%c0%afetc/passwd",
        "/files/%u002e%u002e/waxwing.db",
        "/files//etc/passwd",
        "/files/\\..\\waxwing.db",
        NOTHING,
    ];
    for path in paths {
        for method in ["GET", "HEAD", "PUT"] {
            let headers = ["Content-Length: 1", "Authorization: Bearer x"];
            let (headers, body): (&[&str], &[u8]) =
                if method == "PUT" { (&headers, b"x") } else { (&[], b"") };
            let answer = request(&world, &format!("{method} {path}"), headers, body).await.unwrap();
            assert!([400, 403, 404, 405].contains(&answer.status), "{method} {path}: {}", answer.head);
            assert!(!answer.body.starts_with(b"SQLite"), "{method} {path}");
        }
    }
    figure(&format!(
        "{} names and {} paths that are tricks: 0 lead out of the place for files",
        names.len(),
        paths.len()
    ));
}

/// Nobody without the link finds a file: nothing lists them, and what is guessed answers like what never was.
/// covers: XEP-0363 9 random
#[tokio::test]
async fn files_can_be_neither_listed_nor_guessed() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let mut mallory = world.online("mallory/street").await;
    let slot = upload(&world, &mut romeo, "a.png", "image/png", b"secret").await;
    let open = Slot::request(&mut romeo, "b.png", 6, "image/png").await;
    let id = slot.path.split('/').nth(2).unwrap();
    for path in ["/files", "/files/", &format!("/files/{}", &id[..31]), &format!("/files/{id}a/a.png")] {
        let answer = get(&world, path, &[]).await;
        assert_eq!(answer.status, 404, "{path}: {}", answer.head);
    }
    let same = |answer: Answer| {
        let lines = answer.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
        (answer.status, lines.collect::<Vec<_>>().join("\n"), answer.body)
    };
    // A place that waits for its content looks like none at all.
    assert_eq!(same(get(&world, &open.path, &[]).await), same(get(&world, NOTHING, &[]).await));
    let put = async |path: &str| {
        let headers = ["Content-Length: 6", "Authorization: Bearer guessed"];
        same(request(&world, &format!("PUT {path}"), &headers, b"guess!").await.unwrap())
    };
    assert_eq!(put(&open.path).await, put(NOTHING).await);
    assert_eq!(put(&slot.path).await, put(NOTHING).await);
    for to in ["upload.localhost", "localhost"] {
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        let answer = mallory.ask("get", Some(to), items).await.to_string();
        assert!(!answer.contains(id), "{answer}");
    }
    assert!(!world.server.log().contains(id), "links are not in the log");
    let count = size(100_000, 2_000);
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let mut found = 0;
    for n in 0..count {
        let guess =
            format!("{:a>32}", "bcdefghijklm".chars().cycle().skip(n % 12).take(n % 20).collect::<String>());
        stream
            .write_all(format!("HEAD /files/{guess}/a HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        found += usize::from(!head.starts_with(b"HTTP/1.1 404"));
    }
    assert_eq!(found, 0);
    figure(&format!("{count} guessed links: 0 files found; an id has 160 bits"));
}

/// Threats row 33: whatever a file is, a browser does not execute it in our origin.
/// covers: XEP-0363 9 policy
#[tokio::test]
async fn files_are_never_executed() {
    let world = world().await;
    let mut romeo = world.online("romeo/garden").await;
    let page = b"<!doctype html><script>alert(document.domain)</script>";
    let polyglot = [&b"GIF89a/*"[..], page, b"*/=1;"].concat();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    let cases: [(&str, &str, &[u8]); 14] = [
        ("a.html", "text/html", page),
        ("a.html", "Text/HTML; charset=utf-7", page),
        ("a.xhtml", "application/xhtml+xml", page),
        ("a.svg", "image/svg+xml", svg),
        ("a.xml", "text/xml", svg),
        ("a.xml", "application/xml", svg),
        ("a.js", "text/javascript", b"alert(1)"),
        ("a.js", "application/javascript", b"alert(1)"),
        ("a.css", "text/css", b"*{}"),
        ("a.wasm", "application/wasm", b"\0asm"),
        ("a.mht", "multipart/related", page),
        ("a.gif", "image/gif", &polyglot),
        ("a.png", "image/png", page),
        ("a.html", "application/octet-stream", page),
    ];
    let count = cases.len();
    for (name, media_type, content) in cases {
        let slot = upload(&world, &mut romeo, name, media_type, content).await;
        for headers in [&[][..], &["Range: bytes=0-9"], &["Accept: text/html"]] {
            let answer = get(&world, &slot.path, headers).await;
            let named = answer.header("Content-Type").unwrap_or_default().to_owned();
            assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"), "{media_type}");
            let policy = answer.header("Content-Security-Policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'") && policy.contains("; sandbox;"), "{policy}");
            if named.starts_with("image/") {
                assert_eq!(named, media_type, "a picture is named so, and nothing else is done with it");
            } else {
                assert_eq!(named, "application/octet-stream", "{media_type}");
                let said = answer.header("Content-Disposition").unwrap_or_default();
                assert!(said.starts_with("attachment;"), "{media_type}: {said}");
            }
        }
    }
    figure(&format!(
        "{count} kinds of active content and polyglots: 0 named as anything that a browser executes"
    ));
}

/// Zeros, compressed as far as deflate can (RFC 1950, RFC 1951): after the first each 258 take 13 bits.
fn zeros(count: usize) -> Vec<u8> {
    let (mut out, mut bits, mut held) = (vec![0x78, 0x9c], 0u32, 0);
    // Codes go in from their highest bit, numbers from their lowest.
    let mut code = |value: u32, length: u32| {
        for at in (0..length).rev() {
            bits |= (value >> at & 1) << held;
            held += 1;
            if held == 8 {
                out.push(bits as u8);
                (bits, held) = (0, 0);
            }
        }
    };
    // The last block, with the fixed codes; one zero; matches of 258 behind it; the end.
    code(0b110, 3);
    code(0b0011_0000, 8);
    let matches = (count - 1) / 258;
    for _ in 0..matches {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    code(0, 7);
    let adler = (((1 + matches * 258) % 65_521) as u32) << 16 | 1;
    out.extend_from_slice(&adler.to_be_bytes());
    out
}

/// A PNG of one pixel with this chunk before its content.
fn png_with(named: &[u8]) -> Vec<u8> {
    let whole = png(1, 1, &zeros(259));
    let (head, rest) = whole.split_at(8 + 25);
    [head, &chunk(named), rest].concat()
}

/// A PNG head that claims this size, with this content behind it.
fn png(width: u32, height: u32, rest: &[u8]) -> Vec<u8> {
    let mut head = b"IHDR".to_vec();
    head.extend_from_slice(&width.to_be_bytes());
    head.extend_from_slice(&height.to_be_bytes());
    head.extend_from_slice(&[8, 6, 0, 0, 0]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend_from_slice(&chunk(&head));
    out.extend_from_slice(&chunk(&[b"IDAT", rest].concat()));
    out.extend_from_slice(&chunk(b"IEND"));
    out
}

/// A chunk of PNG: its length, its name and content, its checksum.
fn chunk(named: &[u8]) -> Vec<u8> {
    let crc = named.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    [&(named.len() as u32 - 4).to_be_bytes()[..], named, &(!crc).to_be_bytes()].concat()
}

/// Pictures that claim to be huge, and compressed data that becomes huge: no memory is taken for either.
#[tokio::test]
async fn pictures_that_are_bombs_stay_small() {
    let world = world().await;
    let server = process(&world);
    let mut romeo = world.online("romeo/garden").await;
    let gif = |width: u16, height: u16| {
        [&b"GIF89a"[..], &width.to_le_bytes(), &height.to_le_bytes(), b"\xf0\0\0\0\0\0\xff\xff\xff,\0\0\0\0"]
            .into_iter()
            .flatten()
            .copied()
            .chain([width.to_le_bytes(), height.to_le_bytes()].concat())
            .chain(*b"\0\x02\x02D\x01\0;")
            .collect::<Vec<u8>>()
    };
    let jpeg =
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9"
            .to_vec();
    let webp =
        b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0".to_vec();
    // Stored blocks of deflate with a length that is not there.
    let cut = b"\x78\x01\x01\xff\xff\x00\x00";
    let bombs: Vec<(&str, &str, Vec<u8>)> = vec![
        ("2^31 x 2^31", "image/png", png(0x7fff_ffff, 0x7fff_ffff, cut)),
        ("50,000 x 50,000", "image/png", png(50_000, 50_000, cut)),
        ("1 x 2^31", "image/png", png(1, 0x7fff_ffff, cut)),
        ("5,000 x 5,000 cut off", "image/png", png(5_000, 5_000, cut)),
        ("0 x 0", "image/png", png(0, 0, cut)),
        ("65,535 x 65,535", "image/gif", gif(65_535, 65_535)),
        ("65,535 x 65,535", "image/jpeg", jpeg),
        ("16,384 x 16,384", "image/webp", webp),
        ("a page", "image/png", b"<html>".to_vec()),
        ("10 x 10 with 300 MB behind", "image/png", png(10, 10, &zeros(300_000_000))),
        ("a profile of 300 MB", "image/png", png_with(&[b"iCCPa\0\0", &zeros(300_000_000)[..]].concat())),
        ("a text of 300 MB", "image/png", png_with(&[b"zTXta\0\0", &zeros(300_000_000)[..]].concat())),
        (
            "a text of 300 MB in UTF-8",
            "image/png",
            png_with(&[b"iTXta\0\x01\0\0\0", &zeros(300_000_000)[..]].concat()),
        ),
    ];
    let ask = async |slot: &Slot| get(&world, &format!("{}?thumbnail", slot.path), &[]).await.status;
    let mut slots = Vec::new();
    for (name, media_type, content) in &bombs {
        slots.push((*name, upload(&world, &mut romeo, "a", media_type, content).await));
    }
    let before = server.memory().unwrap();
    for (name, slot) in &slots {
        assert!([404, 200].contains(&ask(slot).await), "{name}");
    }
    let again = server.cpu().unwrap();
    for (_, slot) in &slots {
        ask(slot).await;
    }
    let spent = server.cpu().unwrap() - again;
    let rise = server.memory().unwrap().saturating_sub(before);
    assert!(rise < 160 << 20, "memory rose by {}", kib(rise));
    figure(&format!(
        "{} pictures that are bombs: memory rose by {}, asked for again they cost {} ms",
        bombs.len(),
        kib(rise),
        spent.as_millis()
    ));
}

/// However many places are asked for at once, together they stay within the quota.
#[tokio::test]
async fn a_race_does_not_beat_the_quota() {
    let world = with("quota_bytes = 10_000\nfiles_per_hour_limit = 1_000").await;
    world.user("romeo");
    let clients = 8;
    let tasks = (0..clients).map(|n| {
        let world = &world;
        async move {
            let mut client = world.online(&format!("romeo/{n}")).await;
            let mut granted = 0;
            for _ in 0..10 {
                let answer = ask_slot(&mut client, "a.bin", 1_000, "", "").await;
                granted += usize::from(answer.attr("type") == Some("result"));
            }
            granted
        }
    });
    let mut granted = 0;
    for one in futures(tasks.collect()).await {
        granted += one;
    }
    assert_eq!(granted, 10, "ten of 1,000 bytes fit into 10,000");
    figure(&format!(
        "{} places asked for by {clients} clients at once: {granted} of 10 granted",
        clients * 10
    ));
}

/// Runs all at once, and waits for all.
async fn futures<T>(tasks: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (Box::pin(task), None)).collect();
    std::future::poll_fn(|context| {
        let mut pending = false;
        for (task, result) in &mut tasks {
            if result.is_none() {
                match task.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *result = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    tasks.into_iter().filter_map(|(_, result)| result).collect()
}

/// Who sends a byte now and then, or takes nothing of what he asked for, does not stay.
#[tokio::test]
async fn slow_uploads_and_stalled_downloads_end() {
    let section = "stall_timeout_ms = 300\n[limits]\nwrite_timeout_ms = 1_000";
    let world = with(section).await;
    let mut romeo = world.online("romeo/garden").await;
    let slot = Slot::request(&mut romeo, "a.bin", 1_000_000, "application/zip").await;
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n{}\r\n\r\n0",
        slot.path, slot.authorization
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the upload is broken off").unwrap();
    assert_eq!(Answer::parse(&answer).status, 408);
    // The place is open again for whoever does better.
    let content = vec![7; 1_000_000];
    let again = async {
        loop {
            match slot.put(&world, &content).await.status {
                409 => tokio::task::yield_now().await,
                status => return status,
            }
        }
    };
    assert_eq!(timeout(PATIENCE, again).await.expect("the place is given back"), 201);
    let large = vec![7; 20 << 20];
    let slot = upload(&world, &mut romeo, "large.bin", "application/zip", &large).await;
    let files = process(&world).files().unwrap();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
        stream
            .write_all(format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", slot.path).as_bytes())
            .await
            .unwrap();
        stalled.push(stream);
    }
    let ended = async {
        while process(&world).files().unwrap() > files {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("the server hangs up on those who take nothing");
    figure(
        "an upload that stands still ends after its 300 ms; 20 stalled downloads ended by the time to accept what is written",
    );
}

/// A large file costs no memory, on its way in or out.
#[tokio::test]
async fn large_files_cost_no_memory() {
    let megabytes = size(1024, 64);
    let section = "file_bytes_limit = 2_000_000_000\nquota_bytes = 4_000_000_000";
    let world = with(section).await;
    let server = process(&world);
    let mut romeo = world.online("romeo/garden").await;
    upload(&world, &mut romeo, "small", "application/zip", b"x").await;
    let before = server.memory().unwrap();
    let total = (megabytes as u64) << 20;
    let slot = Slot::request(&mut romeo, "large.bin", total, "application/zip").await;
    let piece = vec![0x5a; 1 << 20];
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {total}\r\n{}\r\n\r\n",
        slot.path, slot.authorization
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut most = 0;
    let started = std::time::Instant::now();
    for _ in 0..megabytes {
        stream.write_all(&piece).await.unwrap();
        most = most.max(server.memory().unwrap());
    }
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    let uploading = started.elapsed();
    assert_eq!(Answer::parse(&answer).status, 201);
    let started = std::time::Instant::now();
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let ask = format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", slot.path);
    stream.write_all(ask.as_bytes()).await.unwrap();
    let (mut got, mut buffer) = (0u64, vec![0; 1 << 20]);
    while let read @ 1.. = stream.read(&mut buffer).await.unwrap() {
        got += read as u64;
        most = most.max(server.memory().unwrap());
    }
    let downloading = started.elapsed();
    assert!(got > total, "all of it came: {got} of {total}");
    let rise = most.saturating_sub(before);
    assert!(rise < 24 << 20, "memory rose by {}", kib(rise));
    figure(&format!(
        "{megabytes} MiB up in {:.1} s and down in {:.1} s: memory rose by {} at most",
        uploading.as_secs_f64(),
        downloading.as_secs_f64(),
        kib(rise)
    ));
}
