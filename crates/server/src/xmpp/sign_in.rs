//! From a new connection to a session: TLS, authentication, then binding a resource or taking an earlier stream over.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use waxwing_chat::account::Account;
use waxwing_chat::auth::{Attempt, Grant};
use waxwing_chat::cluster::Tunnel;
use waxwing_chat::session::ClientInfo;
use waxwing_xmpp::c2s::{
    self, Acceptance, Authenticated, BindRequest, Bound, Event, InlineBind, IssuedToken, ResumeRequest,
    Resumption, Upgrade,
};
use waxwing_xmpp::error::{Condition, StreamCondition};
use waxwing_xmpp::sasl::{Failure, Mechanism, Step, Success, Verifier};
use waxwing_xmpp::sm::{self, Enable, Enabled, Resume, ResumeFailed};
use waxwing_xmpp::stanza::Stanza;

use super::connection::Connection;
use super::error::stanza_error;
use super::features::archive;
use super::features::registration::Applicant;
use super::live::{Live, Management};
use super::suspended;
use crate::net::{Step as Turn, paced};

/// What a client has come to.
pub(crate) enum SignedIn {
    /// A stream of this node.
    Here(Box<Live>),
    /// The way to one that another node has.
    Elsewhere(Tunnel),
}

/// What signing in remembers between one event and the next.
#[derive(Default)]
struct SigningIn {
    /// The attempt that is under way.
    attempt: Attempt,
    /// Who has been let in, while his client computes a verifier.
    granted: Option<Grant>,
    /// Who has been let in and is not bound yet.
    /// With how current it is (`Grant::as_of`).
    account: Option<(Account, Option<u64>, ClientInfo)>,
    /// A client that wants an account.
    applicant: Option<Applicant>,
}

impl Connection {
    /// Talks until a session is there; `None` when the stream ended before. Each step has a box of its own, so that a
    /// connection which waits for its client holds no room for all of them.
    pub(crate) async fn sign_in(&mut self) -> io::Result<Option<SignedIn>> {
        let mut state = SigningIn::default();
        let mut follows = None;
        let pacer = self.link.pacer();
        loop {
            let event = match follows.take() {
                Some(event) => event,
                None => self.next().await?,
            };
            match event {
                Event::StartTls(request) => Box::pin(self.start_tls(request)).await?,
                Event::Credentials(credentials) => {
                    let kind = if credentials.fast.is_some() { Turn::Resuming } else { Turn::UnderWay };
                    let checked = Box::pin(self.check(&mut state, credentials));
                    let step = paced(pacer.as_ref(), kind, checked).await?;
                    follows = self.stream.advance(step);
                }
                Event::Authenticated(authenticated) => {
                    let kind = if authenticated.resume.is_some() { Turn::Resuming } else { Turn::UnderWay };
                    let admitted = Box::pin(self.admit(&mut state, authenticated, &mut follows));
                    if let Some(signed_in) = paced(pacer.as_ref(), kind, admitted).await? {
                        return Ok(Some(signed_in));
                    }
                }
                Event::Upgraded(verifier, authenticated) => {
                    let Some(grant) = state.granted.take() else { return Ok(None) };
                    Box::pin(self.upgraded(&grant, &verifier)).await;
                    let accepted = Box::pin(self.accept(&mut state, grant, authenticated));
                    if let Some(signed_in) = accepted.await {
                        return Ok(Some(signed_in));
                    }
                }
                Event::Task(task) => {
                    follows = self.stream.refuse(task.authenticated, Failure::MalformedRequest)
                }
                Event::Bind(request) => {
                    let bound = Box::pin(self.bind(&state, request));
                    if let Some(live) = paced(pacer.as_ref(), Turn::UnderWay, bound).await? {
                        return Ok(Some(SignedIn::Here(live)));
                    }
                }
                Event::Resume(request) => {
                    let resumed = Box::pin(self.resume_later(&state, request));
                    if let Some(signed_in) = paced(pacer.as_ref(), Turn::Resuming, resumed).await? {
                        return Ok(Some(signed_in));
                    }
                }
                Event::Registration(iq) => {
                    if !Box::pin(self.register(&mut state, &iq)).await {
                        return Ok(None);
                    }
                }
                Event::Closed | Event::Failed(_) | Event::PeerFailed(_) => return Ok(None),
                // The stream machine lets none of these through before a session is bound.
                Event::Enable(_)
                | Event::Stanza(_)
                | Event::Answered(_)
                | Event::AcknowledgementRequested
                | Event::Acknowledged(_)
                | Event::Active(_) => {
                    self.fail(StreamCondition::NotAuthorized);
                    return Ok(None);
                }
            }
        }
    }

    /// Answers a client that wants an account (XEP-0077); `false` when that ends the stream.
    async fn register(&mut self, state: &mut SigningIn, iq: &Stanza) -> bool {
        let address = self.link.peer().map(|peer| peer.ip());
        let host = self.stream.host().map(|host| host.name.to_string()).unwrap_or_default();
        let applicant = state.applicant.get_or_insert_with(|| Applicant::new(&host, address));
        let answer = applicant.answer(&self.face.chat, iq).await;
        match &answer {
            Some(answer) => self.stream.send(answer),
            None => self.fail(StreamCondition::NotAuthorized),
        }
        answer.is_some()
    }

    /// Answers what an exchange asks about a user.
    async fn check(&mut self, state: &mut SigningIn, credentials: c2s::Credentials) -> Step {
        let c2s::Credentials { question, host, user_agent, fast } = credentials;
        state.attempt = Attempt::new(&host, self.link.peer().map(|peer| peer.ip()));
        state.attempt.agent = user_agent.and_then(|agent| agent.id.clone());
        if let Some(fast) = fast {
            state.attempt.count = fast.count;
            state.attempt.invalidate = fast.invalidate;
        }
        self.face.chat.answer(&mut state.attempt, question).await
    }

    /// Lets a user in who has proven who he is, or refuses him, or has his client compute a verifier first.
    async fn admit(
        &mut self,
        state: &mut SigningIn,
        authenticated: Authenticated,
        follows: &mut Option<Event>,
    ) -> Option<SignedIn> {
        let grant = match Box::pin(self.grant(state, &authenticated)).await {
            Ok(grant) => grant,
            Err(failure) => {
                *follows = self.stream.refuse(authenticated, failure);
                return None;
            }
        };
        match self.upgrade(&grant, &authenticated) {
            Some(upgrade) => {
                state.granted = Some(grant);
                *follows = self.stream.upgrade(authenticated, upgrade);
                None
            }
            None => Box::pin(self.accept(state, grant, authenticated)).await,
        }
    }

    /// Decides whether a user who has proven who he is may come in.
    async fn grant(&mut self, state: &mut SigningIn, proven: &Authenticated) -> Result<Grant, Failure> {
        let success = Success {
            username: proven.jid.local().unwrap_or_default().to_owned(),
            mechanism: proven.mechanism,
            data: None,
            token: proven.token,
        };
        self.face.chat.grant(&mut state.attempt, success).await
    }

    async fn start_tls(&mut self, request: c2s::StartTls) -> io::Result<()> {
        self.flush().await?;
        self.stream.tls_established(request, self.link.start_tls(&self.face.acceptor).await?);
        Ok(())
    }

    /// Lets an authenticated client in. With SASL2 it may come out with a session at once (XEP-0386, XEP-0198).
    async fn accept(
        &mut self,
        state: &mut SigningIn,
        grant: Grant,
        authenticated: Authenticated,
    ) -> Option<SignedIn> {
        self.link.authenticated();
        if grant.mechanism == Mechanism::External {
            self.certified_until = self.link.certified_until_ms().map(|until_ms| self.face.moment(until_ms));
        }
        let info = self.client_info(&authenticated);
        let account = &grant.account;
        let mut acceptance =
            Acceptance { token: self.token(&grant, &authenticated).await, ..Acceptance::default() };
        let mut resumed = None;
        if let Some(resume) = &authenticated.resume {
            acceptance.resumption = Some(match self.resume(account, info.clone(), resume).await {
                Ok((signed_in, resumption)) => {
                    resumed = Some(signed_in);
                    Ok(resumption)
                }
                Err(failed) => Err(failed),
            });
        }
        let mut bound = None;
        if resumed.is_none()
            && let Some(request) = &authenticated.bind
        {
            bound = self.bind_inline(&grant, info.clone(), request, &mut acceptance).await;
        }
        state.account = Some((grant.account, grant.as_of, info));
        self.stream.accept(authenticated, acceptance);
        if let Some(SignedIn::Here(live)) = &resumed {
            self.send_again(live);
        }
        resumed.or(bound.map(SignedIn::Here))
    }

    /// Binds a resource in the same round trip as the authentication (XEP-0386 section 3).
    async fn bind_inline(
        &mut self,
        Grant { account, as_of, .. }: &Grant,
        info: ClientInfo,
        request: &InlineBind,
        acceptance: &mut Acceptance,
    ) -> Option<Box<Live>> {
        let suffix = self.face.chat.resource_suffix(account, info.agent.as_deref());
        let wanted = request.resource(&account.jid, &suffix);
        let resource = wanted.as_ref().and_then(|jid| jid.resource()).unwrap_or(&suffix);
        let (session, events) = match self.face.chat.bind(account, *as_of, resource, info).await {
            Ok(bound) => bound,
            Err(error) => {
                tracing::info!(%error, "a session could not be bound");
                return None;
            }
        };
        let mut live = Box::new(Live::new(session, events));
        live.session.set_carbons(request.carbons);
        live.session.set_attended(!request.inactive);
        live.held.set_active(!request.inactive);
        let chat = Arc::clone(&self.face.chat);
        if let Err(error) = chat.leave_to_archive(&live.session).await {
            tracing::warn!(%error, "messages that wait stay where they are");
        }
        acceptance.bound = Some(Bound {
            jid: live.session.jid.clone(),
            enabled: request.enable.map(|enable| self.manage(&mut live, enable)),
            children: archive::state(&chat, &live.session).await.into_iter().collect(),
        });
        Some(live)
    }

    /// A token for the client to sign in with next time, if it asked for one or its own grows old (XEP-0484).
    async fn token(&mut self, grant: &Grant, authenticated: &Authenticated) -> Option<IssuedToken> {
        let agent = authenticated.user_agent.as_ref().and_then(|agent| agent.id.as_deref());
        let issued = match (&grant.token, authenticated.request_token, agent) {
            (_, Some(binding), Some(agent)) => {
                let mechanism = Mechanism::HashedToken(binding);
                self.face.chat.issue_token(&grant.account, agent, mechanism).await
            }
            (Some(token), _, _) => Ok(token.clone()),
            _ => return None,
        };
        match issued {
            Ok(token) => {
                let expiry = waxwing_chat::time::timestamp(token.expires_ms);
                Some(IssuedToken { token: token.secret, expiry })
            }
            Err(error) => {
                tracing::warn!(%error, "no token could be given");
                None
            }
        }
    }

    /// A hash that the account lacks a verifier for and this client offers to compute (XEP-0480).
    fn upgrade(&self, grant: &Grant, authenticated: &Authenticated) -> Option<Upgrade> {
        if authenticated.upgrades.is_empty() || !grant.knows_password() {
            return None;
        }
        let missing = self.face.chat.missing_hashes(&grant.account);
        let hash = missing.into_iter().find(|hash| authenticated.upgrades.contains(hash))?;
        let (salt, iterations) = self.face.chat.upgrade_parameters();
        Some(Upgrade { hash, salt, iterations })
    }

    /// Keeps the verifier that a client computed; it has signed in whatever becomes of that.
    async fn upgraded(&mut self, grant: &Grant, verifier: &Verifier) {
        if let Err(error) = self.face.chat.upgrade(grant, verifier).await {
            tracing::warn!(%error, "a new password verifier could not be kept");
        }
    }

    fn client_info(&self, authenticated: &Authenticated) -> ClientInfo {
        let (face, tls) = self.link.describe();
        let agent = authenticated.user_agent.as_deref();
        ClientInfo {
            face,
            address: self.link.peer(),
            tls,
            mechanism: authenticated.mechanism.name().to_owned(),
            software: agent.and_then(|agent| agent.software.clone()),
            agent: agent.and_then(|agent| agent.id.clone()),
            connection: self.link.id(),
            since_ms: self.face.chat.now_ms(),
        }
    }

    /// Resumption after a sign-in of RFC 6120, as its own element (XEP-0198 section 5).
    async fn resume_later(&mut self, state: &SigningIn, request: ResumeRequest) -> Option<SignedIn> {
        let (account, _, info) = state.account.as_ref()?;
        match self.resume(account, info.clone(), &request.resume).await {
            Ok((resumed, resumption)) => {
                self.stream.resumed(request, resumption.jid, resumption.h);
                if let SignedIn::Here(live) = &resumed {
                    self.send_again(live);
                }
                Some(resumed)
            }
            Err(failed) => {
                self.stream.resume_failed(request, failed);
                None
            }
        }
    }

    /// Takes an earlier stream over: from the task that has it, here or at another node, or as it was kept over a restart.
    async fn resume(
        &mut self,
        account: &Account,
        info: ClientInfo,
        resume: &Resume,
    ) -> Result<(SignedIn, Resumption), ResumeFailed> {
        let face = Arc::clone(&self.face);
        let live = match face.resumable.claim(&resume.previd, account.id).await {
            Some(live) => live,
            None => {
                // Before the store: a node that stops keeps the stream there, and only then says that it has none.
                if let Some((resumed, tunnel)) = self.resume_elsewhere(account, &info, resume).await {
                    return Ok((SignedIn::Elsewhere(tunnel), resumed));
                }
                match suspended::restore(&face, account, &resume.previd, info.clone()).await {
                    Ok(Some(live)) => live,
                    Ok(None) => return Err(ResumeFailed::NOT_FOUND),
                    Err(error) => {
                        tracing::warn!(%error, "a stream could not be brought back");
                        return Err(ResumeFailed { condition: Condition::InternalServerError, h: None });
                    }
                }
            }
        };
        let resumed = suspended::go_on(&face, live, info, resume.h).await;
        let (live, h) = resumed.ok_or(ResumeFailed::NOT_FOUND)?;
        let resumption = Resumption { jid: live.session.jid.clone(), previd: resume.previd.clone(), h };
        Ok((SignedIn::Here(live), resumption))
    }

    /// Sends what the client did not get, once more and uncounted (XEP-0198 section 5).
    pub(crate) fn send_again(&mut self, live: &Live) {
        if let Some(management) = &live.management {
            for sent in management.counts.unacknowledged() {
                self.stream.write(&sent.stanza, &live.session.jid);
            }
            if management.counts.unacknowledged().len() > 0 {
                self.stream.request_acknowledgement();
            }
        }
    }

    /// Puts a session under stream management (XEP-0198 section 3).
    pub(crate) fn manage(&self, live: &mut Live, enable: Enable) -> Result<Enabled, Condition> {
        if live.management.is_some() {
            return Err(Condition::UnexpectedRequest);
        }
        let longest = u32::try_from(self.config.resume_timeout_ms / 1000).unwrap_or(u32::MAX);
        let max = enable.max.unwrap_or(longest).min(longest);
        let id = (enable.resume && longest > 0).then(|| self.face.chat.token());
        let limit = self.config.resumable_streams_limit;
        let registration = id.and_then(|id| self.face.resumable.register(id, live.session.account, limit));
        let id = registration.as_ref().map(|registration| registration.id().to_owned());
        live.management = Some(Management {
            counts: sm::Session::new(self.config.management_limits()),
            bytes: 0,
            refusals: Vec::new(),
            registration,
            patience: Duration::from_secs(max.into()),
        });
        Ok(Enabled { max: id.is_some().then_some(max), id, location: None })
    }

    /// Binds a resource, the one the client would like if it can have it (RFC 6120 section 7).
    async fn bind(&mut self, state: &SigningIn, request: BindRequest) -> Option<Box<Live>> {
        let (account, as_of, info) = state.account.as_ref()?;
        let wanted = request.wanted.as_ref().and_then(|jid| jid.resource().map(str::to_owned));
        let resource = wanted.unwrap_or_else(|| self.face.chat.token());
        match self.face.chat.bind(account, *as_of, &resource, info.clone()).await {
            Ok((session, events)) => {
                self.stream.bound(request, session.jid.clone());
                Some(Box::new(Live::new(session, events)))
            }
            Err(error) => {
                self.stream.bind_failed(request, stanza_error(&error));
                None
            }
        }
    }
}
