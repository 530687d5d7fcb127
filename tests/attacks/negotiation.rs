//! Attacks on the way to a session: plaintext slipped in before TLS, signing in without TLS, acting for somebody else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_tests::Client;
use waxwing_tests::login::{SASL, TLS, nonce};
use waxwing_tests::scram::{Hash, Scram};
use waxwing_tests::transport::Tls;
use waxwing_tests::world::password;
use waxwing_tests::xml::{Item, STREAMS};

use crate::provoke::{Stage, end, provoke};
use crate::sign_in::{self, PROFILES, Profile, SASL2, SCRAM, verdict};
use crate::world::{figure, world};

/// RFC 6120 section 5.4.3.3, CVE-2011-0411: what lies behind `<starttls/>` in the clear must not pass for what came
/// under TLS, whether it comes in the same packet or in the next.
#[tokio::test]
async fn plaintext_behind_starttls_is_never_read() {
    let world = world().await;
    world.user("romeo");
    let starttls = format!("<starttls xmlns='{TLS}'/>");
    let response = BASE64.encode(format!("\0romeo\0{}", password("romeo")));
    let auth = format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{response}</auth>");
    let header = format!(
        "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>"
    );
    let register = "<iq type='set' id='r'><query xmlns='jabber:iq:register'/></iq>";
    for injected in
        ["<presence/>", &auth, &format!("{header}{auth}"), &starttls, register, "</stream:stream>"]
    {
        let mut client = Stage::Opened.reach(&world).await;
        let together = provoke(&mut client, format!("{starttls}{injected}").as_bytes()).await;
        assert_eq!(together.before, [], "{injected}");
        let mut client = Stage::Opened.reach(&world).await;
        client.send_raw(&starttls).await.unwrap();
        let _ = client.transport_mut().write(injected.as_bytes()).await;
        if proceeds(&mut client).await {
            // The octets lie before the client's hello, where the TLS machine finds no record and gives up.
            assert!(
                client.upgrade(&Tls::default()).await.is_err(),
                "{injected}: TLS went on after plaintext"
            );
        }
    }
    figure("plaintext behind <starttls/>: 12 tries, 0 octets read as if under TLS");
}

/// Whether the server says `<proceed/>`, or else ends the stream.
async fn proceeds(client: &mut Client) -> bool {
    loop {
        match client.next_item().await {
            Ok(Some(Item::Element(element))) if element.is(TLS, "proceed") => return true,
            Ok(Some(Item::Element(element))) => assert!(element.is(STREAMS, "error"), "{element}"),
            Ok(Some(Item::Open(_) | Item::Close)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
}

/// RFC 6120 sections 5.3.4 and 6.5.4, XEP-0388 section 3: no mechanism in no profile, however right the password is.
#[tokio::test]
async fn nobody_signs_in_before_tls() {
    let world = world().await;
    world.user("romeo");
    let secret = password("romeo");
    for profile in PROFILES {
        for mechanism in SCRAM.into_iter().chain(["PLAIN", "EXTERNAL", "ANONYMOUS", "HT-SHA-256-NONE"]) {
            let mut client = Stage::Opened.reach(&world).await;
            let message = match mechanism {
                "PLAIN" => format!("\0romeo\0{secret}"),
                _ => format!("n,,n=romeo,r={}", nonce()),
            };
            let outcome = sign_in::begin(&mut client, profile, mechanism, message.as_bytes()).await.unwrap();
            let answer = verdict(&outcome);
            let expected = ["encryption-required", "invalid-mechanism"];
            assert!(expected.contains(&answer), "{mechanism} by {profile:?}: {outcome}");
            // Whatever follows, nobody is signed in.
            let end = provoke(
                &mut client,
                b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            )
            .await;
            assert_eq!(end.condition.as_deref(), Some("not-authorized"), "{mechanism} by {profile:?}");
        }
    }
    figure("signing in before TLS: 20 tries of 10 mechanisms in both profiles, 0 let in");
}

/// RFC 6120 section 6.3.8: whoever has proven to be one user acts for no other, whatever the mechanism.
#[tokio::test]
async fn nobody_acts_for_another() {
    let world = world().await;
    for user in ["romeo", "juliet"] {
        world.user(user);
    }
    let secret = password("romeo");
    let others = [
        "juliet@localhost",
        "admin@localhost",
        "juliet",
        "localhost",
        "romeo@other.example",
        "romeo@localhost/x",
    ];
    let mut tries = 0;
    for profile in PROFILES {
        for mechanism in SCRAM {
            for (n, other) in others.into_iter().enumerate() {
                let mut client = sign_in::secured_from(&world, [127, 1, n as u8, 1]).await.unwrap();
                let (gs2, binding) = client.binding_for(mechanism).unwrap();
                let gs2 = gs2.replacen(",,", &format!(",a={other},"), 1);
                let hash = Hash::of(mechanism).unwrap();
                let scram = Scram::new(hash, "romeo", &secret, &gs2, &binding, &nonce());
                let outcome = sign_in::scram(&mut client, profile, mechanism, scram).await.unwrap();
                assert_eq!(verdict(&outcome), "invalid-authzid", "{mechanism} {profile:?} as {other}");
                tries += 1;
            }
        }
        for (n, other) in others.into_iter().enumerate() {
            let mut client = sign_in::secured_from(&world, [127, 2, n as u8, 1]).await.unwrap();
            let outcome = sign_in::plain(&mut client, profile, other, "romeo", &secret).await.unwrap();
            assert_eq!(verdict(&outcome), "invalid-authzid", "PLAIN {profile:?} as {other}");
            tries += 1;
        }
    }
    figure(&format!("authzid of another: {tries} tries, 0 let in"));
    // The same ways with one's own identity lead in, so it was the identity that they were refused for.
    for profile in PROFILES {
        let mut client = sign_in::secured_from(&world, [127, 3, 0, 1]).await.unwrap();
        let outcome =
            sign_in::plain(&mut client, profile, "romeo@localhost", "romeo", &secret).await.unwrap();
        assert_eq!(verdict(&outcome), "success", "{profile:?}: {outcome}");
    }
}

/// A user name is a user name: no control characters, no other domain, no resource gets a stranger past it.
#[tokio::test]
async fn odd_user_names_lead_nowhere() {
    let world = world().await;
    world.user("romeo");
    let secret = password("romeo");
    let odd = [
        "romeo@localhost",
        "romeo/x",
        "romeo@other.example",
        "' OR '1'='1",
        "romeo'--",
        "romeo\u{200b}",
        "rom\u{ad}eo",
        "..",
        "../romeo",
        "%72omeo",
        "*",
        "romeo*",
        "",
        " romeo",
        "\u{7f}",
        "ｒｏｍｅｏ@",
    ];
    for (n, user) in odd.into_iter().enumerate() {
        for profile in PROFILES {
            let mut client = sign_in::secured_from(&world, [127, 4, n as u8, 1]).await.unwrap();
            let outcome = sign_in::plain(&mut client, profile, "", user, &secret).await.unwrap();
            assert!(
                ["not-authorized", "malformed-request"].contains(&verdict(&outcome)),
                "{user:?} by {profile:?}: {outcome}"
            );
        }
    }
}

/// The features of XEP-0388 are for streams under TLS only; a stream that skips its own steps is refused.
#[tokio::test]
async fn steps_cannot_be_skipped() {
    let world = world().await;
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    let resume = "<resume xmlns='urn:xmpp:sm:3' h='0' previd='x'/>";
    let enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>";
    let message = "<message to='admin@localhost'><body>x</body></message>";
    for text in [bind, message, "<presence/>"] {
        for secured in [false, true] {
            let mut client = match secured {
                true => world.secured().await,
                false => Stage::Opened.reach(&world).await,
            };
            let end = provoke(&mut client, text.as_bytes()).await;
            assert_eq!(end.condition.as_deref(), Some("not-authorized"), "{text} under TLS: {secured}");
        }
    }
    for text in [resume, enable] {
        let mut client = world.secured().await;
        client.send_raw(text).await.unwrap();
        client.send_raw("</stream:stream>").await.unwrap();
        let end = end(&mut client).await;
        let refused = end.before.iter().all(|element| element.name == "failed");
        assert!(refused, "{text}: {end:?}");
    }
    // A response without a request, and a success that the client sends itself.
    for text in [
        format!("<response xmlns='{SASL}'>AA==</response>"),
        format!("<response xmlns='{SASL2}'>AA==</response>"),
        format!("<success xmlns='{SASL}'/>"),
        format!("<proceed xmlns='{TLS}'/>"),
    ] {
        let mut client = world.secured().await;
        client.send_raw(&text).await.unwrap();
        let _ = client.send_raw(bind).await;
        let end = end(&mut client).await;
        assert!(end.condition.is_some(), "{text}: {end:?}");
        assert!(end.before.iter().all(|element| element.name == "failure"), "{text}: {end:?}");
    }
    let mut client = world.secured().await;
    let outcome = sign_in::begin(&mut client, Profile::Sasl1, "ANONYMOUS", b"x").await.unwrap();
    assert_eq!(verdict(&outcome), "invalid-mechanism");
}
