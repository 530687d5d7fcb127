//! Sending pushes: a bounded queue, a few tasks that post, and second attempts (RFC 8030).

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::{Mutex, Semaphore, mpsc};
use waxwing_chat::Chat;
use waxwing_chat::push::subscriptions::Channel;
use waxwing_chat::push::wishes::Wishes;
use waxwing_chat::push::{News, Push, Pusher};
use waxwing_xmpp::jid::Jid;

use super::reach::{self, Reach, Unreached};
use super::vapid::Vapid;
use super::{Config, encryption};

/// How many pushes are sent at one time.
const AT_ONCE: usize = 16;

/// How many may wait for another attempt.
const WAITING_LIMIT: usize = 1_000;

/// How often one is tried.
const ATTEMPTS: u32 = 5;

/// The pause behind the first attempt; it doubles with each.
const FIRST_PAUSE_MS: u64 = 2_000;

/// The longest pause; a push service that asks for a longer one does not get the push.
const LONGEST_PAUSE_MS: u64 = 600_000;

/// How long a push service keeps a push for a device that is away, in seconds.
const TTL_S: u64 = 86_400;

/// The way out for pushes.
pub struct Pushes {
    queue: mpsc::Sender<(Push, u32)>,
    reach: Arc<Reach>,
}

/// What the tasks that send share.
struct Sending {
    chat: Arc<Chat>,
    reach: Arc<Reach>,
    vapid: Vapid,
    queue: mpsc::WeakSender<(Push, u32)>,
    waiting: Arc<Semaphore>,
}

/// What became of a push.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Taken,
    /// Nobody is there any more.
    Gone,
    /// Another attempt may succeed, not before so many milliseconds.
    Again(u64),
    /// No other attempt will.
    Lost,
}

impl Pushes {
    /// Starts the tasks that send.
    pub fn start(chat: &Arc<Chat>, reach: Arc<Reach>, vapid: Vapid, config: &Config) -> Arc<Self> {
        let (queue, pushes) = mpsc::channel(config.push_queue.max(1));
        chat.set_push_key(vapid.public());
        let sending = Arc::new(Sending {
            chat: Arc::clone(chat),
            reach: Arc::clone(&reach),
            vapid,
            queue: queue.downgrade(),
            waiting: Arc::new(Semaphore::new(WAITING_LIMIT)),
        });
        let pushes = Arc::new(Mutex::new(pushes));
        for _ in 0..AT_ONCE {
            let (sending, pushes) = (Arc::clone(&sending), Arc::clone(&pushes));
            tokio::spawn(async move {
                loop {
                    let next = pushes.lock().await.recv().await;
                    let Some((push, attempt)) = next else { return };
                    sending.send(push, attempt).await;
                }
            });
        }
        Arc::new(Self { queue, reach })
    }
}

impl Pusher for Pushes {
    fn accepts(&self, endpoint: &str) -> bool {
        self.reach.accepts(endpoint)
    }

    fn wishes(&self, preferences: Option<&str>, settings: Option<&str>) -> Wishes {
        crate::json::wishes(preferences, settings)
    }

    fn push(&self, push: Push) {
        if self.queue.try_send((push, 1)).is_err() {
            tracing::debug!("the queue of pushes is full");
        }
    }
}

impl Sending {
    async fn send(&self, push: Push, attempt: u32) {
        let sent = match &push.subscription.channel {
            Channel::Web { endpoint, p256dh, auth } => self.post(&push, endpoint, (p256dh, auth)).await,
            Channel::Xmpp { .. } => {
                crate::xmpp::features::push::publish(&self.chat, &push);
                Ok(Sent::Taken)
            }
        };
        let owner = &push.subscription.owner;
        match sent {
            Ok(Sent::Taken | Sent::Lost) => {}
            Ok(Sent::Gone) => {
                let removed = self.chat.unsubscribe_from_pushes(owner, &push.subscription.key()).await;
                if let Err(error) = removed {
                    tracing::warn!(%error, "a subscription that has ended could not be removed");
                }
            }
            Ok(Sent::Again(after_ms)) => self.later(push, attempt, after_ms),
            Err(error) => tracing::warn!(%error, account = %owner.jid, "a push could not be made"),
        }
    }

    fn later(&self, push: Push, attempt: u32, after_ms: u64) {
        let pause = after_ms.max(FIRST_PAUSE_MS << (attempt - 1).min(20));
        let (Ok(place), Some(queue)) = (Arc::clone(&self.waiting).try_acquire_owned(), self.queue.upgrade())
        else {
            return;
        };
        if attempt >= ATTEMPTS || pause > LONGEST_PAUSE_MS {
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            drop(place);
            let _ = queue.try_send((push, attempt + 1));
        });
    }

    async fn post(&self, push: &Push, endpoint: &str, keys: (&[u8], &[u8])) -> anyhow::Result<Sent> {
        let topic = topic(&push.subscription.owner.jid, &push.conversation);
        let mut plain = payload(push, &topic, true).to_string();
        if plain.len() > encryption::PLAIN_BYTES_LIMIT {
            plain = payload(push, &topic, false).to_string();
        }
        let sealed = encryption::encrypt(plain.as_bytes(), keys.0, keys.1);
        let Ok(sealed) = sealed else {
            // A key that is no point on the curve: nothing can ever be sent to it.
            return Ok(Sent::Gone);
        };
        let origin = reach::origin(endpoint).context("the endpoint has no origin")?;
        let authorization = self.vapid.authorization(&origin, self.chat.now_ms())?;
        let urgency = match &push.news {
            News::Message(preview) if preview.urgent => "high",
            News::Message(_) => "normal",
            News::Read => "low",
        };
        let headers = reach::headers(&[
            ("authorization", &authorization),
            ("content-encoding", "aes128gcm"),
            ("content-type", "application/octet-stream"),
            ("ttl", &TTL_S.to_string()),
            ("topic", &topic),
            ("urgency", urgency),
        ]);
        Ok(match self.reach.post(endpoint, headers, Bytes::from(sealed)).await {
            Ok(answer) => judge(answer.status, answer.retry_after_ms),
            Err(Unreached::Failed(_)) => Sent::Again(0),
            Err(Unreached::Refused(why)) => {
                tracing::debug!(why, "a push service may not be reached");
                Sent::Lost
            }
        })
    }
}

fn judge(status: StatusCode, retry_after_ms: Option<u64>) -> Sent {
    match status {
        status if status.is_success() => Sent::Taken,
        StatusCode::NOT_FOUND | StatusCode::GONE => Sent::Gone,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Sent::Again(retry_after_ms.unwrap_or(0))
        }
        status if status.is_server_error() => Sent::Again(retry_after_ms.unwrap_or(0)),
        status => {
            tracing::warn!(status = status.as_u16(), "a push service refuses a push");
            Sent::Lost
        }
    }
}

/// What pushes about one conversation have in common, so that the later takes the place of the earlier (RFC 8030 section
/// 5.4). It tells the push service nothing: only this server and the device can say which conversation it stands for.
fn topic(account: &Jid, conversation: &Jid) -> String {
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(account.as_str().as_bytes()).expect("any length");
    mac.update(conversation.as_str().as_bytes());
    URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..24])
}

/// What the device gets to read.
fn payload(push: &Push, topic: &str, whole: bool) -> Value {
    let mut value = match &push.news {
        News::Read => json!({"type": "read"}),
        News::Message(preview) => {
            let mut value = json!({
                "type": "message",
                "id": preview.id,
                "position": preview.position.0,
                "count": preview.count,
                "mention": preview.named,
            });
            if let Some(sender) = preview.sender.as_ref().filter(|_| whole) {
                value["conversation"] = json!(push.conversation.as_str());
                value["sender"] = json!(sender);
            }
            if let Some(text) = preview.text.as_ref().filter(|_| whole) {
                value["text"] = json!(text);
            }
            value
        }
    };
    value["tag"] = json!(topic);
    value
}

#[cfg(test)]
mod tests {
    use waxwing_chat::account::AccountId;
    use waxwing_chat::archive::ArchiveId;
    use waxwing_chat::push::Preview;
    use waxwing_chat::push::subscriptions::Subscription;
    use waxwing_chat::rosters::Owner;

    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::new(text).expect("an address")
    }

    fn push(sender: Option<&str>, text: Option<&str>) -> Push {
        let channel = Channel::Web { endpoint: String::new(), p256dh: Vec::new(), auth: Vec::new() };
        let owner = Owner { account: AccountId(1), jid: jid("romeo@montague.lit") };
        let preview = Preview {
            position: ArchiveId(7),
            id: "id".to_owned(),
            count: 1,
            sender: sender.map(str::to_owned),
            text: text.map(str::to_owned),
            urgent: true,
            named: false,
        };
        Push {
            subscription: Subscription { owner, device: String::new(), created_ms: 0, channel },
            conversation: jid("juliet@capulet.lit"),
            news: News::Message(preview),
        }
    }

    #[test]
    fn answers_are_judged() {
        for (status, sent) in [
            (201, Sent::Taken),
            (202, Sent::Taken),
            (404, Sent::Gone),
            (410, Sent::Gone),
            (429, Sent::Again(5000)),
            (503, Sent::Again(5000)),
            (400, Sent::Lost),
            (301, Sent::Lost),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).expect("a status"), Some(5000)), sent, "{status}");
        }
    }

    /// RFC 8030 section 5.4: at most 32 characters of the alphabet for URLs.
    #[test]
    fn topics_are_short_and_tell_nothing() {
        let one = topic(&jid("romeo@montague.lit"), &jid("juliet@capulet.lit"));
        assert_eq!(one.len(), 32);
        assert_eq!(one, topic(&jid("romeo@montague.lit"), &jid("juliet@capulet.lit")));
        assert_ne!(one, topic(&jid("romeo@montague.lit"), &jid("nurse@capulet.lit")));
        assert_ne!(one, topic(&jid("paris@montague.lit"), &jid("juliet@capulet.lit")));
    }

    #[test]
    fn what_may_not_be_told_is_not_there() {
        let text = |push: &Push| payload(push, "T", true).to_string();
        let full = text(&push(Some("Juliet"), Some("Ay me!")));
        assert!(full.contains("Ay me!") && full.contains("Juliet") && full.contains("juliet@capulet.lit"));
        assert!(!text(&push(Some("Juliet"), None)).contains("Ay"));
        let nothing = text(&push(None, None)).to_lowercase();
        assert!(!nothing.contains("juliet") && nothing.contains("\"tag\":\"t\""), "{nothing}");
        let cut = payload(&push(Some("Juliet"), Some("Ay me!")), "T", false).to_string();
        assert!(!cut.contains("Juliet"));
    }

    /// What is said to somebody alone need not name him.
    #[test]
    fn what_is_said_to_one_is_no_mention() {
        let mut push = push(Some("Juliet"), Some("Ay me!"));
        assert_eq!(payload(&push, "T", true)["mention"], json!(false));
        let News::Message(preview) = &mut push.news else { panic!("a message") };
        preview.named = true;
        assert_eq!(payload(&push, "T", true)["mention"], json!(true));
    }

    mod reaching {
        //! Whole pushes, from a message to what the device reads.

        use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
        use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
        use waxwing_chat::account::Role;
        use waxwing_chat::accounts::NewPerson;
        use waxwing_chat::memory_store::MemoryStore;
        use waxwing_chat::port::{SystemClock, SystemRandom};
        use waxwing_chat::session::{ClientInfo, Session};
        use waxwing_chat::settings::Settings;
        use waxwing_tests::receiver::{Posted, Receiver};
        use waxwing_xmpp::ns;
        use waxwing_xmpp::stanza::{MessageType, Stanza};
        use waxwing_xmpp::xml::Element;

        use super::*;
        use crate::config::Config as Whole;

        const AUTH: [u8; 16] = [7; 16];

        struct World {
            chat: Arc<Chat>,
            receiver: Receiver,
            device: PrivateKey,
            juliet: Arc<Session>,
        }

        async fn world() -> World {
            let settings = Settings { scram_iterations: 4096, scram_sha1: false, ..Settings::default() };
            let store = Arc::new(MemoryStore::default());
            let chat = Chat::new(store, Arc::new(SystemClock), Arc::new(SystemRandom), settings);
            chat.hide_archive_ids().await.expect("ids");
            for name in ["romeo@localhost", "juliet@localhost"] {
                let new = NewPerson { jid: jid(name), name: None, role: Role::Member, password: "secret" };
                chat.create_account(new, "local").await.expect("an account");
            }
            let mut config = Whole::default();
            config.integrations.private_networks = vec!["127.0.0.0/8".parse().expect("a network")];
            crate::integrations::start(&chat, &config).await.expect("started");
            let receiver = Receiver::start().await;
            let device = PrivateKey::generate(&ECDH_P256).expect("a key");
            let account = chat.account(&jid("juliet@localhost")).await.expect("an account");
            let (juliet, _) =
                chat.bind(&account, None, "balcony", ClientInfo::default()).await.expect("bound");
            World { chat, receiver, device, juliet }
        }

        impl World {
            async fn owner(&self) -> Owner {
                Owner::from(&self.chat.account(&jid("romeo@localhost")).await.expect("an account"))
            }

            async fn subscribe(&self) {
                let p256dh = self.device.compute_public_key().expect("its public part").as_ref().to_vec();
                let endpoint = format!("http://{}/push/1", self.receiver.address);
                let channel = Channel::Web { endpoint, p256dh, auth: AUTH.to_vec() };
                self.chat
                    .subscribe_to_pushes(&self.owner().await, "browser", channel)
                    .await
                    .expect("subscribed");
            }

            async fn say(&self, content: Element) {
                let message = Stanza::message(MessageType::Chat).with_child(content);
                let message = message.with_from(self.juliet.jid.clone()).with_to(jid("romeo@localhost"));
                self.chat.send(&self.juliet, message).await.expect("sent").await.expect("safe");
            }

            /// What the device makes of a push (RFC 8291 section 3, RFC 8188 section 2).
            fn read(&self, posted: &Posted) -> Value {
                let (salt, rest) = posted.body.split_at(16);
                let (public, sealed) = rest[5..].split_at(65);
                let own = self.device.compute_public_key().expect("its public part");
                let peer = UnparsedPublicKey::new(&ECDH_P256, public);
                let octets = |salt: &[u8], input: &[u8], info: &[&[u8]], count| {
                    encryption::derive(salt, input, info, count).expect("derived")
                };
                let input = agree(&self.device, peer, (), |shared| {
                    Ok(octets(&AUTH, shared, &[b"WebPush: info\0", own.as_ref(), public], 32))
                });
                let input = input.expect("agreed");
                let key = octets(salt, &input, &[b"Content-Encoding: aes128gcm\0"], 16);
                let nonce = octets(salt, &input, &[b"Content-Encoding: nonce\0"], 12);
                let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).expect("a key"));
                let nonce = Nonce::try_assume_unique_for_key(&nonce).expect("a nonce");
                let mut sealed = sealed.to_vec();
                let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).expect("opened");
                assert_eq!(plain.last(), Some(&2));
                serde_json::from_slice(&plain[..plain.len() - 1]).expect("JSON")
            }
        }

        fn body(text: &str) -> Element {
            Element::new(ns::CLIENT, "body").with_text(text)
        }

        #[tokio::test]
        async fn a_device_is_told_and_alone_can_read_it() {
            let mut world = world().await;
            world.subscribe().await;
            world.say(Element::new(ns::CHAT_STATES, "composing")).await;
            world.say(body("Ay me!")).await;
            let posted = world.receiver.next().await;
            assert!(posted.head.starts_with("POST /push/1 HTTP/1.1"), "{}", posted.head);
            for (name, value) in [("content-encoding", "aes128gcm"), ("ttl", "86400"), ("urgency", "high")] {
                assert_eq!(posted.header(name).as_deref(), Some(value), "{name}");
            }
            let authorization = posted.header("authorization").expect("who sends");
            let (token, key) =
                authorization.strip_prefix("vapid t=").and_then(|a| a.split_once(", k=")).expect("RFC 8292");
            assert_eq!(key, world.chat.push_key().expect("a key"));
            let claims =
                token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("claims");
            let claims: Value = serde_json::from_slice(&claims).expect("JSON");
            assert_eq!(claims["aud"], json!(format!("http://{}", world.receiver.address)));
            let read = world.read(&posted);
            assert_eq!(
                (&read["text"], &read["conversation"]),
                (&json!("Ay me!"), &json!("juliet@localhost"))
            );
            world.say(body("again")).await;
            let later = world.receiver.next().await;
            assert_eq!(
                later.header("topic"),
                posted.header("topic"),
                "the later takes the place of the earlier"
            );
            assert_eq!(world.read(&later)["count"], json!(2));
        }

        /// Section 7.3 of RFC 8030: a subscription that is gone is not asked again. One that fails for now is.
        #[tokio::test]
        async fn a_subscription_that_is_gone_is_forgotten() {
            let mut world = world().await;
            world.subscribe().await;
            world.receiver.answer(&[503, 204, 410]);
            world.say(body("one")).await;
            let (first, second) = (world.receiver.next().await, world.receiver.next().await);
            assert_eq!(world.read(&first), world.read(&second), "tried again");
            world.say(body("two")).await;
            world.receiver.next().await;
            let owner = world.owner().await;
            while !world.chat.push_subscriptions(&owner).is_empty() {
                tokio::task::yield_now().await;
            }
            assert!(world.chat.store().push_subscriptions(None).await.expect("a list").is_empty());
        }
    }
}
