//! Signing in: the one place that decides, for every face and every mechanism, whether somebody is let in.
//!
//! ```text
//! face: Exchange::step(bytes) ─▶ Chat::authenticate ─▶ Progress::Challenge ─▶ face asks the client, and again
//!                                                  ├─▶ Progress::Granted   ─▶ face binds a session
//!                                                  └─▶ Progress::Refused   ─▶ face says so
//! ```
//!
//! Who does not exist, is disabled, or has expired goes through the same steps as everybody else, with verifiers that no
//! password fits or with the real ones and a refusal at the end, and gets the same answer.

use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{
    Exchange, Failure, Hash, MIN_ITERATIONS, Mechanism, Question, Step, Success, Verifier,
};

use crate::account::{Account, AccountChange, AccountId, Role};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::throttle::{Throttle, Verdict};
use crate::token::Token;

/// How many passwords are checked at the same time for each processor; more wait their turn.
pub const PASSWORD_CHECKS_PER_PROCESSOR: usize = 2;

/// Where the secret is kept from which the verifiers of users that do not exist are made.
const DECOY_SETTING: &str = "decoy-secret";

/// What signing in remembers from one attempt to the next.
#[derive(Debug)]
pub(crate) struct SignIn {
    throttle: Throttle,
    decoy_secret: OnceCell<String>,
    password_checks: Semaphore,
}

impl Default for SignIn {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            throttle: Throttle::default(),
            decoy_secret: OnceCell::new(),
            password_checks: Semaphore::new(processors * PASSWORD_CHECKS_PER_PROCESSOR),
        }
    }
}

/// One attempt to sign in, with what the face knows about it.
#[derive(Debug, Default)]
pub struct Attempt {
    /// The domain that the client addressed.
    pub domain: String,
    /// Where it comes from; `None` for a local socket.
    pub address: Option<IpAddr>,
    /// The client's own lasting id (XEP-0388 user-agent), without which there are no tokens.
    pub agent: Option<String>,
    /// The replay counter sent with a token (XEP-0484 section 3.4).
    pub count: Option<u32>,
    /// The client wants its token to be the last time it was good for anything (XEP-0484 section 3.6).
    pub invalidate: bool,
    tokens: Vec<Token>,
    password: Option<String>,
    /// The account that was claimed, as it was then.
    claimed: Option<Claimed>,
}

/// An account as it was read, and the store's count of changes before that (`Store::account_changes`).
#[derive(Debug, Clone)]
struct Claimed {
    account: Account,
    as_of: Option<u64>,
}

impl Attempt {
    /// An attempt without a token.
    pub fn new(domain: &str, address: Option<IpAddr>) -> Self {
        Self { domain: domain.to_owned(), address, ..Self::default() }
    }
}

/// What comes next for a client that signs in.
#[derive(Debug)]
pub enum Progress {
    /// It must answer this.
    Challenge(Vec<u8>, Exchange),
    /// It is who it says it is, and may come in.
    Granted(Box<Grant>),
    /// It is not let in.
    Refused(Failure),
}

/// A successful attempt.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Who it is.
    pub account: Account,
    /// How it was proven.
    pub mechanism: Mechanism,
    /// The store's count of changes before the account was read (`Store::account_changes`).
    pub as_of: Option<u64>,
    /// What the client is sent along with the success.
    pub data: Option<Vec<u8>>,
    /// A new token for the one that was used and grows old (XEP-0484 section 3.5).
    pub token: Option<Token>,
}

impl Grant {
    /// Whether the client showed that it knows the password. Whoever came with a token or a certificate must not set what
    /// the next sign-in by password is checked against: a stolen token would become a password.
    pub fn knows_password(&self) -> bool {
        matches!(self.mechanism, Mechanism::Scram { .. } | Mechanism::Plain)
    }
}

/// What a claimed user is checked against. For whoever may not sign in it looks and costs the same.
#[derive(Debug)]
pub struct Credentials {
    account: Option<Account>,
    as_of: Option<u64>,
    verifiers: Vec<Verifier>,
    decoy_secret: String,
    username: String,
    iterations: u32,
    usable: bool,
}

impl Credentials {
    fn claimed(self) -> Option<Claimed> {
        let as_of = self.as_of;
        self.account.map(|account| Claimed { account, as_of })
    }

    /// The account that was claimed, if there is such a one.
    pub(crate) fn account_id(&self) -> Option<AccountId> {
        self.account.as_ref().map(|account| account.id)
    }

    /// The account may sign in: it exists, is enabled and has not expired.
    pub fn usable(&self) -> bool {
        self.usable
    }

    /// The verifier for a hash, and whether a proof of it counts.
    pub fn verifier(&self, hash: Hash) -> (Verifier, bool) {
        // Made every time, so that its cost says nothing.
        let decoy = Verifier::decoy(self.decoy_secret.as_bytes(), &self.username, hash, self.iterations);
        match self.verifiers.iter().find(|verifier| verifier.hash() == hash) {
            Some(own) => (own.clone(), self.usable),
            None => (decoy, false),
        }
    }

    /// The verifier that a password in clear is checked against.
    fn for_password(&self) -> (Verifier, bool) {
        let hash = [Hash::Sha256, Hash::Sha512, Hash::Sha1]
            .into_iter()
            .find(|hash| self.verifiers.iter().any(|verifier| verifier.hash() == *hash));
        self.verifier(hash.unwrap_or(Hash::Sha256))
    }
}

impl Chat {
    /// Goes on with an attempt: answers what the exchange asks, and decides when it ends. Every face and every mechanism
    /// comes through here.
    pub async fn authenticate(&self, attempt: &mut Attempt, mut step: Step) -> Progress {
        loop {
            step = match step {
                Step::Challenge(data, exchange) => return Progress::Challenge(data, exchange),
                Step::Need(question) => self.answer(attempt, question).await,
                Step::Success(success) => match self.grant(attempt, success).await {
                    Ok(grant) => return Progress::Granted(Box::new(grant)),
                    Err(failure) => Step::Failure(failure),
                },
                Step::Failure(failure) => {
                    tracing::info!(domain = attempt.domain, address = ?attempt.address, %failure, "sign-in refused");
                    return Progress::Refused(failure);
                }
            }
        }
    }

    /// Signs in with a password in clear, for faces that know no SASL.
    pub async fn sign_in(
        &self,
        attempt: &mut Attempt,
        username: &str,
        password: &str,
    ) -> std::result::Result<Grant, Failure> {
        let username = waxwing_xmpp::sasl::prepare_username(username).map_err(|_| Failure::NotAuthorized)?;
        self.delay(attempt, &username).await?;
        let credentials = self.credentials(&username, &attempt.domain).await.map_err(unavailable)?;
        if !self.check_password(&credentials, password).await? {
            return Err(Failure::NotAuthorized);
        }
        attempt.password = Some(password.to_owned());
        self.grant(attempt, Success { username, mechanism: Mechanism::Plain, data: None, token: None }).await
    }

    /// What a claimed user is checked against.
    pub async fn credentials(&self, username: &str, domain: &str) -> Result<Credentials> {
        let decoy_secret = self.decoy_secret().await?.to_owned();
        let jid = Jid::from_parts(Some(username), domain, None).ok();
        let as_of = self.store.account_changes();
        let account = match jid {
            Some(jid) => self.store.account(&jid).await?,
            None => None,
        };
        let verifiers =
            account.iter().flat_map(|account| &account.verifiers).filter_map(|v| v.parse().ok()).collect();
        let usable = account.as_ref().is_some_and(|account| self.may_sign_in(account));
        Ok(Credentials {
            account,
            as_of,
            verifiers,
            decoy_secret,
            username: format!("{username}@{domain}"),
            iterations: self.settings().scram_iterations.max(MIN_ITERATIONS),
            usable,
        })
    }

    pub(crate) fn may_sign_in(&self, account: &Account) -> bool {
        self.is_local(account.jid.domain())
            && !account.disabled
            && account.expires_ms.is_none_or(|at| at > self.now_ms())
    }

    async fn decoy_secret(&self) -> Result<&str> {
        let secret = self.sign_in.decoy_secret.get_or_try_init(|| async {
            Ok::<_, Error>(self.store.setting_or(DECOY_SETTING, &self.token()).await?)
        });
        secret.await.map(String::as_str)
    }

    /// Answers what an exchange asks, after the delay the attempt has earned. For a face whose stream drives the exchange
    /// itself; what it ends in goes through `grant` all the same.
    pub async fn answer(&self, attempt: &mut Attempt, question: Question) -> Step {
        let username = question.username().to_owned();
        if let Err(failure) = self.delay(attempt, &username).await {
            return question.refuse(failure);
        }
        let credentials = match self.credentials(&username, &attempt.domain).await {
            Ok(credentials) => credentials,
            Err(error) => return question.refuse(unavailable(error)),
        };
        match question {
            Question::Verifier(question) => {
                let (verifier, usable) = credentials.verifier(question.hash());
                let step = question.answer(verifier, usable);
                attempt.claimed = credentials.claimed();
                step
            }
            Question::Password(question) => {
                let password = question.password().reveal().to_owned();
                match self.check_password(&credentials, &password).await {
                    Ok(right) => {
                        attempt.password = right.then_some(password);
                        question.verdict(right)
                    }
                    Err(failure) => Step::Failure(failure),
                }
            }
            Question::Tokens(question) => {
                // An account that does not exist is asked for its tokens like one that does.
                let owner = credentials.account.as_ref().map_or(AccountId(0), |account| account.id);
                let agent = attempt.agent.as_deref().unwrap_or_default();
                let mut tokens = match self.store.tokens(owner, agent).await {
                    Ok(tokens) => tokens,
                    Err(error) => return Step::Failure(unavailable(error.into())),
                };
                let mechanism = question.mechanism().name();
                tokens.retain(|token| token.mechanism == mechanism && credentials.usable);
                // XEP-0484 section 5.1: the new one before the current one.
                tokens.sort_by_key(|token| std::cmp::Reverse(token.expires_ms));
                attempt.tokens = tokens;
                let secrets: Vec<&str> = attempt.tokens.iter().map(|token| token.secret.as_str()).collect();
                question.answer(&secrets)
            }
            Question::Identity(question) => question.answer(credentials.usable),
        }
    }

    /// Counts the attempt and waits as long as the throttle says.
    pub(crate) async fn delay(&self, attempt: &Attempt, username: &str) -> std::result::Result<(), Failure> {
        if !self.settings().delay_attempts {
            return Ok(());
        }
        let account = format!("{username}@{}", attempt.domain);
        match self.sign_in.throttle.attempt(&account, attempt.address, self.now_ms()) {
            Verdict::Refused => Err(Failure::TemporaryAuthFailure),
            Verdict::After(0) => Ok(()),
            Verdict::After(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(())
            }
        }
    }

    /// Runs the whole derivation, for whoever it is, away from the threads that serve connections.
    async fn check_password(
        &self,
        credentials: &Credentials,
        password: &str,
    ) -> std::result::Result<bool, Failure> {
        let (verifier, usable) = credentials.for_password();
        let password = password.to_owned();
        let _turn =
            self.sign_in.password_checks.acquire().await.map_err(|_| Failure::TemporaryAuthFailure)?;
        let right = tokio::task::spawn_blocking(move || verifier.check_password(&password))
            .await
            .map_err(|_| Failure::TemporaryAuthFailure)?;
        Ok(right && usable)
    }

    /// Lets in whoever an exchange has proven. What may still stand against it is looked at again, because an exchange takes its time.
    pub async fn grant(
        &self,
        attempt: &mut Attempt,
        success: Success,
    ) -> std::result::Result<Grant, Failure> {
        let jid = Jid::from_parts(Some(&success.username), &attempt.domain, None)
            .map_err(|_| Failure::NotAuthorized)?;
        let (account, as_of) = self.current(attempt.claimed.take(), &jid).await.map_err(unavailable)?;
        let account = account.filter(|account| self.may_sign_in(account)).ok_or(Failure::NotAuthorized)?;
        // RFC 6120 section 6.5.9. Only now: said any earlier, it would tell a stranger who the administrators are.
        let proof = self.settings().administrators_proof;
        if account.role == Role::Administrator && !proof.accepts(success.mechanism) {
            return Err(Failure::MechanismTooWeak);
        }
        let mut token = None;
        if let Some(index) = success.token {
            let used = attempt.tokens.get(index).ok_or(Failure::NotAuthorized)?;
            token = self.use_token(&account, used, attempt.count, attempt.invalidate).await?;
        }
        let name = format!("{}@{}", success.username, attempt.domain);
        self.sign_in.throttle.succeeded(&name, attempt.address, self.now_ms());
        if let Some(password) = attempt.password.take() {
            self.add_missing_verifiers(&account, &password).await;
        }
        Ok(Grant { account, as_of, mechanism: success.mechanism, data: success.data, token })
    }

    /// The account as it is now: as it was when it was claimed, if no account has changed since.
    async fn current(&self, claimed: Option<Claimed>, jid: &Jid) -> Result<(Option<Account>, Option<u64>)> {
        let as_of = self.store.account_changes();
        match claimed {
            Some(claimed) if as_of.is_some() && claimed.as_of == as_of && claimed.account.jid == *jid => {
                Ok((Some(claimed.account), as_of))
            }
            _ => Ok((self.store.account(jid).await?, as_of)),
        }
    }

    pub(crate) fn throttle(&self) -> &Throttle {
        &self.sign_in.throttle
    }

    /// The hashes that an account has no verifier for although it should (XEP-0480).
    pub fn missing_hashes(&self, account: &Account) -> Vec<Hash> {
        let has = |hash: &Hash| {
            account.verifiers.iter().filter_map(|v| v.parse::<Verifier>().ok()).any(|v| v.hash() == *hash)
        };
        self.wanted_hashes().into_iter().filter(|hash| !has(hash)).collect()
    }

    /// After a password was seen in clear and was right.
    async fn add_missing_verifiers(&self, account: &Account, password: &str) {
        let missing = self.missing_hashes(account);
        if missing.is_empty() {
            return;
        }
        let outcome = async {
            for verifier in self.derive_verifiers(password, missing).await? {
                self.store.change_account(account.id, AccountChange::AddVerifier(verifier)).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = outcome.await {
            tracing::warn!(%error, "missing password verifiers could not be added");
        }
    }

    /// The salt and the rounds for an upgrade task (XEP-0480 section 3).
    pub fn upgrade_parameters(&self) -> (Vec<u8>, u32) {
        (self.salt().to_vec(), self.settings().scram_iterations.max(MIN_ITERATIONS))
    }

    /// Takes the verifier that a client which has signed in with its password computed (XEP-0480 section 3). A hash that
    /// has a verifier already is left alone.
    pub async fn upgrade(&self, grant: &Grant, verifier: &Verifier) -> Result<()> {
        if !grant.knows_password() {
            return Err(Error::Forbidden);
        }
        if !self.missing_hashes(&grant.account).contains(&verifier.hash()) {
            return Ok(());
        }
        let change = AccountChange::AddVerifier(verifier.to_string());
        Ok(self.store.change_account(grant.account.id, change).await?)
    }
}

/// The store cannot be asked: no verdict about the client.
fn unavailable(error: Error) -> Failure {
    tracing::error!(%error, "sign-in is not possible");
    Failure::TemporaryAuthFailure
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use waxwing_xmpp::sasl::{
        ChannelBindings, Context, Offer, ScramClient, TokenBinding, token_initial_response,
    };

    use super::*;
    use crate::testing::{START_MS, World, jid};

    const HT: Mechanism = Mechanism::HashedToken(TokenBinding::None);

    fn context(certified: &[&str]) -> Context {
        Context {
            host: "localhost".into(),
            bindings: Arc::new(ChannelBindings::default()),
            offer: Arc::new(Offer { mechanisms: vec![Mechanism::Plain], bindings: Vec::new() }),
            certified: certified.iter().map(|jid| (*jid).to_owned()).collect(),
            nonce: "server-nonce".into(),
        }
    }

    fn attempt() -> Attempt {
        Attempt { agent: Some("client-1".to_owned()), ..Attempt::new("localhost", None) }
    }

    async fn one_step(chat: &Chat, mechanism: Mechanism, certified: &[&str], message: &[u8]) -> Progress {
        one_step_of(chat, &mut attempt(), mechanism, certified, message).await
    }

    async fn one_step_of(
        chat: &Chat,
        attempt: &mut Attempt,
        mechanism: Mechanism,
        certified: &[&str],
        message: &[u8],
    ) -> Progress {
        chat.authenticate(attempt, Exchange::new(mechanism, context(certified)).step(Some(message))).await
    }

    /// The server's first message, and what the exchange ended in.
    async fn scram(chat: &Chat, hash: Hash, user: &str, password: &str) -> (String, Progress) {
        let client = ScramClient::new(hash, user, password, "client-nonce", None);
        let mut attempt = attempt();
        let mechanism = Mechanism::Scram { hash, plus: false };
        let step = Exchange::new(mechanism, context(&[])).step(Some(client.first().as_bytes()));
        let Progress::Challenge(challenge, exchange) = chat.authenticate(&mut attempt, step).await else {
            panic!("SCRAM answers everybody with a challenge");
        };
        let challenge = String::from_utf8(challenge).unwrap();
        let (last, _) = client.last(&challenge, None).unwrap();
        let progress = chat.authenticate(&mut attempt, exchange.step(Some(last.as_bytes()))).await;
        (challenge, progress)
    }

    fn granted(progress: &Progress) -> bool {
        matches!(progress, Progress::Granted(_))
    }

    fn refused(progress: &Progress) -> Failure {
        match progress {
            Progress::Refused(failure) => *failure,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Everyone has a token and a certificate; two may not sign in, one does not exist.
    async fn city() -> World {
        let world = World::of(&["romeo", "tybalt", "mercutio"]).await;
        world.chat.set_disabled(&jid("tybalt"), true, "local").await.unwrap();
        world.chat.set_expiry(&jid("mercutio"), Some(START_MS), "local").await.unwrap();
        world
    }

    /// threats: one function; mechanism x {wrong, unknown, disabled, expired} all denied alike.
    #[tokio::test(start_paused = true)]
    async fn whoever_may_not_sign_in_is_refused_alike() {
        let world = city().await;
        let chat = &world.chat;
        for (user, password) in
            [("romeo", "wrong"), ("nobody", "nobody"), ("tybalt", "tybalt"), ("mercutio", "mercutio")]
        {
            for hash in [Hash::Sha512, Hash::Sha256, Hash::Sha1] {
                let (challenge, progress) = scram(chat, hash, user, password).await;
                assert_eq!(refused(&progress), Failure::NotAuthorized, "{user} {hash:?}");
                assert!(challenge.contains("i=4096"), "{challenge}");
                assert_eq!(challenge.split(',').nth(1).map(str::len), Some(2 + 24), "a salt of 16 octets");
            }
            let plain =
                one_step(chat, Mechanism::Plain, &[], format!("\0{user}\0{password}").as_bytes()).await;
            assert_eq!(refused(&plain), Failure::NotAuthorized, "{user}");
            let token = one_step(chat, HT, &[], &token_initial_response(user, "forged", &[])).await;
            assert_eq!(refused(&token), Failure::NotAuthorized, "{user}");
            let other_face = chat.sign_in(&mut attempt(), user, password).await;
            assert_eq!(other_face.unwrap_err(), Failure::NotAuthorized, "{user}");
        }
        for user in ["nobody", "tybalt", "mercutio"] {
            let certified = format!("{user}@localhost");
            let external = one_step(chat, Mechanism::External, &[&certified], b"").await;
            assert_eq!(refused(&external), Failure::NotAuthorized, "{user}");
        }
    }

    #[tokio::test]
    async fn every_mechanism_lets_its_user_in() {
        let world = city().await;
        let chat = &world.chat;
        for hash in [Hash::Sha512, Hash::Sha256] {
            assert!(granted(&scram(chat, hash, "romeo", "romeo").await.1));
        }
        assert!(granted(&one_step(chat, Mechanism::Plain, &[], b"\0romeo\0romeo").await));
        assert!(granted(&one_step(chat, Mechanism::External, &["romeo@localhost"], b"").await));
        let grant = chat.sign_in(&mut attempt(), "romeo", "romeo").await.unwrap();
        assert_eq!(grant.account.jid, jid("romeo"));
    }

    /// The challenge for a user that does not exist stays the same, as a real one's does, also after a restart.
    #[tokio::test]
    async fn decoys_are_stable() {
        let world = World::empty();
        let salt = async |chat: &Chat| {
            let (challenge, _) = scram(chat, Hash::Sha256, "nobody", "x").await;
            challenge.split(',').nth(1).map(str::to_owned)
        };
        let first = salt(&world.chat).await;
        assert_eq!(salt(&world.chat).await, first);
        let settings = (*world.chat.settings()).clone();
        let clock = Arc::new(crate::port::SystemClock);
        let random = Arc::new(crate::port::SystemRandom);
        let restarted = Chat::new(Arc::clone(world.chat.store()), clock, random, settings);
        assert_eq!(salt(&restarted).await, first);
    }

    /// What is disabled between the challenge and the proof is refused by the look at the end.
    #[tokio::test]
    async fn a_grant_looks_again() {
        let world = World::of(&["romeo"]).await;
        world.chat.set_disabled(&jid("romeo"), true, "local").await.unwrap();
        let proven =
            Success { username: "romeo".to_owned(), mechanism: Mechanism::Plain, data: None, token: None };
        let outcome = world.chat.grant(&mut attempt(), proven).await;
        assert_eq!(outcome.unwrap_err(), Failure::NotAuthorized);
    }

    /// Delays grow, and in the end an attempt is refused for now; from elsewhere the right password still works at once.
    #[tokio::test(start_paused = true)]
    async fn guessing_is_slowed_down() {
        let world = World::of(&["romeo"]).await;
        let stranger: Option<IpAddr> = Some("203.0.113.9".parse().unwrap());
        let mut answers = Vec::new();
        for _ in 0..12 {
            let mut attempt = Attempt::new("localhost", stranger);
            answers
                .push(one_step_of(&world.chat, &mut attempt, Mechanism::Plain, &[], b"\0romeo\0guess").await);
        }
        assert_eq!(refused(&answers[0]), Failure::NotAuthorized);
        assert_eq!(refused(&answers[11]), Failure::TemporaryAuthFailure);
        let mut right = Attempt::new("localhost", stranger);
        let answer = one_step_of(&world.chat, &mut right, Mechanism::Plain, &[], b"\0romeo\0romeo").await;
        assert_eq!(refused(&answer), Failure::TemporaryAuthFailure);
        let before = tokio::time::Instant::now();
        let mut home = Attempt::new("localhost", Some("192.0.2.1".parse().unwrap()));
        assert!(granted(
            &one_step_of(&world.chat, &mut home, Mechanism::Plain, &[], b"\0romeo\0romeo").await
        ));
        assert_eq!(tokio::time::Instant::now(), before);
    }

    /// XEP-0480: a password seen in clear makes the verifiers that are missing, and an upgrade task the one it computed.
    #[tokio::test]
    async fn missing_verifiers_are_added() {
        let world = World::of(&["romeo"]).await;
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        let only = account.verifiers.iter().find(|v| v.starts_with("SCRAM-SHA-256")).unwrap().clone();
        world.chat.store.change_account(account.id, AccountChange::Verifiers(vec![only])).await.unwrap();
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        assert_eq!(world.chat.missing_hashes(&account), [Hash::Sha512]);
        assert!(!granted(&scram(&world.chat, Hash::Sha512, "romeo", "romeo").await.1));
        assert!(granted(&one_step(&world.chat, Mechanism::Plain, &[], b"\0romeo\0romeo").await));
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        assert!(world.chat.missing_hashes(&account).is_empty());
        assert!(granted(&scram(&world.chat, Hash::Sha512, "romeo", "romeo").await.1));
        // A hash that is there is not replaced by whatever a client computes.
        let forged = Verifier::from_salted_password(Hash::Sha512, &[7; 64], b"salt", 4096);
        world.chat.upgrade(&grant_by(&account, Mechanism::Plain), &forged).await.unwrap();
        assert!(granted(&scram(&world.chat, Hash::Sha512, "romeo", "romeo").await.1));
    }

    fn grant_by(account: &Account, mechanism: Mechanism) -> Grant {
        Grant { account: account.clone(), as_of: None, mechanism, data: None, token: None }
    }

    /// XEP-0480 section 3, and only for who has shown that he knows the password.
    #[tokio::test]
    async fn an_upgrade_task_adds_the_verifier_it_computed() {
        let world = World::of(&["romeo"]).await;
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        world.chat.store.change_account(account.id, AccountChange::Verifiers(Vec::new())).await.unwrap();
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        let (salt, iterations) = world.chat.upgrade_parameters();
        assert_eq!((salt.len(), iterations), (Verifier::SALT_LEN, 4096));
        let computed = Verifier::from_salted_password(Hash::Sha256, &[0x42; 32], &salt, iterations);
        for mechanism in [HT, Mechanism::External] {
            let refused = world.chat.upgrade(&grant_by(&account, mechanism), &computed).await;
            assert!(matches!(refused, Err(Error::Forbidden)));
        }
        let scram = Mechanism::Scram { hash: Hash::Sha1, plus: false };
        world.chat.upgrade(&grant_by(&account, scram), &computed).await.unwrap();
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        assert_eq!(account.verifiers, [computed.to_string()]);
    }

    /// XEP-0484 sections 3.3 to 3.6.
    #[tokio::test]
    async fn a_token_signs_in() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let account = chat.account(&jid("romeo")).await.unwrap();
        let token = chat.issue_token(&account, "client-1", HT).await.unwrap();
        let message = token_initial_response("romeo", &token.secret, &[]);
        let Progress::Granted(grant) = one_step(chat, HT, &[], &message).await else {
            panic!("the token is good");
        };
        assert!(grant.token.is_none(), "a young token is not renewed");
        assert!(grant.data.is_some());
        // Another client's id, or none, does not open it.
        let mut other = Attempt { agent: Some("client-2".to_owned()), ..Attempt::new("localhost", None) };
        assert!(!granted(&one_step_of(chat, &mut other, HT, &[], &message).await));
        let mut nameless = Attempt::new("localhost", None);
        assert!(!granted(&one_step_of(chat, &mut nameless, HT, &[], &message).await));
        // Section 3.6: the last time.
        let mut last = Attempt { invalidate: true, ..attempt() };
        assert!(granted(&one_step_of(chat, &mut last, HT, &[], &message).await));
        assert!(!granted(&one_step(chat, HT, &[], &message).await));
    }

    /// XEP-0484 section 3.4: bound to its mechanism, and a counter that only rises.
    #[tokio::test]
    async fn a_token_is_bound_and_counted() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let account = chat.account(&jid("romeo")).await.unwrap();
        let bound = Mechanism::HashedToken(TokenBinding::Exporter);
        let token = chat.issue_token(&account, "client-1", bound).await.unwrap();
        let message = token_initial_response("romeo", &token.secret, &[]);
        assert_eq!(refused(&one_step(chat, HT, &[], &message).await), Failure::NotAuthorized);
        let token = chat.issue_token(&account, "client-1", HT).await.unwrap();
        let message = token_initial_response("romeo", &token.secret, &[]);
        for (count, good) in [(1, true), (1, false), (5, true), (4, false), (5, false), (6, true)] {
            let mut attempt = Attempt { count: Some(count), ..attempt() };
            assert_eq!(granted(&one_step_of(chat, &mut attempt, HT, &[], &message).await), good, "{count}");
        }
    }

    /// The matrix for tokens: gone with the right to sign in, expired with an own word for it (XEP-0484 section 4.2).
    #[tokio::test]
    async fn a_token_ends() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let account = chat.account(&jid("romeo")).await.unwrap();
        let fresh = async || {
            let token = chat.issue_token(&account, "client-1", HT).await.unwrap();
            token_initial_response("romeo", &token.secret, &[])
        };
        let old = fresh().await;
        chat.set_password(&jid("romeo"), "new password", "local").await.unwrap();
        assert_eq!(refused(&one_step(chat, HT, &[], &old).await), Failure::NotAuthorized);
        let old = fresh().await;
        chat.set_disabled(&jid("romeo"), true, "local").await.unwrap();
        chat.set_disabled(&jid("romeo"), false, "local").await.unwrap();
        assert_eq!(refused(&one_step(chat, HT, &[], &old).await), Failure::NotAuthorized);
        let old = fresh().await;
        world.pass(chat.settings().token_lifetime_ms);
        assert_eq!(refused(&one_step(chat, HT, &[], &old).await), Failure::CredentialsExpired);
    }

    /// XEP-0484 section 3.5: a token that grows old brings a new one, and stays good until that is used.
    #[tokio::test]
    async fn tokens_rotate() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let account = chat.account(&jid("romeo")).await.unwrap();
        let first = chat.issue_token(&account, "client-1", HT).await.unwrap();
        let first = token_initial_response("romeo", &first.secret, &[]);
        world.pass(chat.settings().token_lifetime_ms / 2);
        let renew = async |message: &[u8]| match one_step(chat, HT, &[], message).await {
            Progress::Granted(grant) => grant.token.map(|t| token_initial_response("romeo", &t.secret, &[])),
            other => panic!("{other:?}"),
        };
        let lost = renew(&first).await.expect("a new token");
        // The client never got it, comes with the old one again, and gets another; the lost one is void.
        let second = renew(&first).await.expect("a new token");
        assert!(!granted(&one_step(chat, HT, &[], &lost).await));
        assert_eq!(chat.store.tokens(account.id, "client-1").await.unwrap().len(), 2);
        assert_eq!(renew(&second).await, None);
        assert!(!granted(&one_step(chat, HT, &[], &first).await));
        assert_eq!(chat.store.tokens(account.id, "client-1").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn tokens_are_for_named_clients_and_token_mechanisms() {
        let world = World::of(&["romeo"]).await;
        let account = world.chat.account(&jid("romeo")).await.unwrap();
        for (agent, mechanism) in [("", HT), ("client-1", Mechanism::Plain), (&*"x".repeat(257), HT)] {
            let issued = world.chat.issue_token(&account, agent, mechanism).await;
            assert!(matches!(issued, Err(Error::BadRequest(_))));
        }
    }
}
