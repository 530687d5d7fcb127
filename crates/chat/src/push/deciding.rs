//! Deciding who gets a push for a message, behind its commit and beside the path of messages: an account whose clients
//! nobody looks at, and that wants to be told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::mpsc;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Stanza};

use super::subscriptions::{Channel, Subscription};
use super::wishes::{Meant, Wishes};
use super::{Content, News, Preview, Push, Pusher};
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::labels;
use crate::mentions;
use crate::messages::Checked;
use crate::rosters::Owner;
use crate::state::StateKind;

/// How many messages may wait to be decided about; more are not pushed, which nobody loses a message by.
pub const UNDECIDED_LIMIT: usize = 4_096;

/// How many conversations are remembered that something was pushed about.
pub const PUSHED_LIMIT: usize = 100_000;

/// Characters of a text that a push carries.
pub const PREVIEW_CHARS_LIMIT: usize = 200;

/// What deciding needs to remember.
#[derive(Default)]
pub(crate) struct Pushing {
    pusher: OnceLock<(Arc<dyn Pusher>, mpsc::Sender<Undecided>)>,
    /// The public key by which push services know this server.
    pub(crate) key: OnceLock<String>,
    /// How many messages of a conversation were pushed since the account last read it.
    pushed: Mutex<HashMap<(AccountId, Jid), u32>>,
}

impl std::fmt::Debug for Pushing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pushing")
    }
}

/// A message that may have to be pushed.
struct Undecided {
    id: ArchiveId,
    message: Stanza,
    place: Place,
}

enum Place {
    /// It was said to one account.
    Direct(Owner),
    /// It was said in a room, by this account.
    Room(Jid, Jid),
}

impl Chat {
    /// Opens the way for pushes, within the runtime, and begins to decide about messages.
    pub async fn push_by(&self, pusher: Arc<dyn Pusher>) -> Result<()> {
        self.read_push_subscriptions().await?;
        let chat = self.itself().ok_or(Error::ServiceUnavailable)?;
        let (sender, mut undecided) = mpsc::channel::<Undecided>(UNDECIDED_LIMIT);
        self.pushing.pusher.set((pusher, sender)).map_err(|_| Error::Conflict)?;
        tokio::spawn(async move {
            while let Some(message) = undecided.recv().await {
                if let Err(error) = chat.decide_pushes(&message).await {
                    tracing::warn!(%error, id = %message.id, "whom to push a message to could not be told");
                }
            }
        });
        Ok(())
    }

    pub(crate) fn pusher(&self) -> Option<&Arc<dyn Pusher>> {
        self.pushing.pusher.get().map(|(pusher, _)| pusher)
    }

    /// What a message between accounts sets off once it is committed. Never waits.
    pub(crate) fn set_off(&self, checked: &Checked, id: ArchiveId) {
        self.wake_webhooks(checked);
        let Some(recipient) = checked.recipient.as_ref().filter(|to| self.subscribed.has(to.account)) else {
            return;
        };
        let kind = checked.message.kind;
        let said = matches!(kind, Kind::Message(MessageType::Chat | MessageType::Normal));
        if said && labels::says_something(&checked.message) && !checked.from.same_bare(&recipient.jid) {
            let place = Place::Direct(Owner::from(&**recipient));
            self.undecided(Undecided { id, message: checked.message.clone(), place });
        }
    }

    /// The same for what was said in a room.
    pub(crate) fn set_off_in_room(
        &self,
        archive: AccountId,
        room: &Jid,
        speaker: &Jid,
        said: &Stanza,
        id: ArchiveId,
    ) {
        self.followed.wake(archive);
        if self.subscribed.any() && labels::says_something(said) {
            let place = Place::Room(room.clone(), speaker.to_bare());
            self.undecided(Undecided { id, message: said.clone(), place });
        }
    }

    fn undecided(&self, message: Undecided) {
        if let Some((_, sender)) = self.pushing.pusher.get()
            && sender.try_send(message).is_err()
        {
            tracing::debug!("too many messages wait to be pushed");
        }
    }

    async fn decide_pushes(&self, undecided: &Undecided) -> Result<()> {
        match &undecided.place {
            Place::Direct(owner) => {
                let from = undecided.message.from.as_ref().map(Jid::to_bare).unwrap_or(owner.jid.clone());
                self.push_to(owner, &from, undecided, Meant::Alone).await
            }
            Place::Room(room, speaker) => {
                for (owner, nick) in self.members_among(room, self.subscribed.owners()).await? {
                    if owner.jid != *speaker {
                        let meant = match mentions::names(&undecided.message, &owner.jid, nick.as_deref())
                            || self.follows_thread_of(&owner, room, &undecided.message).await?
                        {
                            true => Meant::Named,
                            false => Meant::ForAll,
                        };
                        self.push_to(&owner, room, undecided, meant).await?;
                    }
                }
                Ok(())
            }
        }
    }

    async fn push_to(
        &self,
        owner: &Owner,
        conversation: &Jid,
        undecided: &Undecided,
        meant: Meant,
    ) -> Result<()> {
        let sessions = self.sessions.of(&owner.jid);
        let elsewhere = self.attention_elsewhere(&owner.jid).await;
        if elsewhere.attended || sessions.iter().any(|session| session.is_attended()) {
            return Ok(());
        }
        let Some(profile) = self.profile(&owner.jid).await? else { return Ok(()) };
        if self.acting(owner).await?.is_none() {
            return Ok(());
        }
        if undecided.message.from.as_ref().is_some_and(|from| profile.blocks(from)) {
            return Ok(());
        }
        let body = undecided.message.child(ns::CLIENT, "body").map(|body| body.text().into_owned());
        let text = body.unwrap_or_default();
        let wishes = self.wishes(owner, conversation).await?;
        let meant = wishes.meant(meant, &text);
        if !wishes.wake(meant, self.now_ms()) || self.has_read(owner, conversation, undecided.id).await? {
            return Ok(());
        }
        let count = self.count_pushed(owner.account, conversation);
        let content = self.settings().push.content;
        let sender = match content >= Content::Sender {
            true => self.sender_name(undecided, meant == Meant::Alone).await?,
            false => None,
        };
        let shown = content >= Content::Full && wishes.previews;
        let preview = Preview {
            position: undecided.id,
            id: self.archive_ids().show(undecided.id),
            count,
            sender,
            text: shown.then(|| text.chars().take(PREVIEW_CHARS_LIMIT).collect()),
            urgent: meant != Meant::ForAll,
            named: meant == Meant::Named,
        };
        for subscription in self.subscribed.of(owner.account) {
            // An app that is connected, though nobody looks at it, gets the message itself.
            let connected = matches!(subscription.channel, Channel::Xmpp { .. })
                && (elsewhere.connected.contains(&subscription.device)
                    || sessions.iter().any(|session| {
                        session.jid.resource() == Some(&*subscription.device) && session.is_connected()
                    }));
            if !connected {
                self.push_by_channel(subscription, conversation, News::Message(preview.clone()));
            }
        }
        Ok(())
    }

    /// What somebody wants of a conversation.
    pub(crate) async fn wishes(&self, owner: &Owner, conversation: &Jid) -> Result<Wishes> {
        let kept = async |kind, key: &str| {
            Ok::<_, Error>(
                self.store.state_item(owner.account, kind, key).await?.and_then(|item| item.content),
            )
        };
        let preferences = kept(StateKind::Preferences, "").await?;
        let settings = kept(StateKind::Settings, conversation.bare_str()).await?;
        Ok(self.wishes_as_kept(preferences.as_deref(), settings.as_deref()))
    }

    /// The same, from what a face has written down; of somebody who has said nothing, where no face can read it.
    pub(crate) fn wishes_as_kept(&self, preferences: Option<&str>, settings: Option<&str>) -> Wishes {
        self.pusher().map(|pusher| pusher.wishes(preferences, settings)).unwrap_or_default()
    }

    fn push_by_channel(&self, subscription: Subscription, conversation: &Jid, news: News) {
        if let Some(pusher) = self.pusher() {
            pusher.push(Push { subscription, conversation: conversation.clone(), news });
        }
    }

    async fn sender_name(&self, undecided: &Undecided, direct: bool) -> Result<Option<String>> {
        let Some(from) = &undecided.message.from else { return Ok(None) };
        if !direct {
            return Ok(from.resource().map(str::to_owned));
        }
        if let Some(nick) = undecided.message.child(ns::NICK, "nick") {
            return Ok(Some(nick.text().into_owned()));
        }
        let known = match self.is_local(from.domain()) {
            true => self.store.account(&from.to_bare()).await?.and_then(|account| account.name),
            false => None,
        };
        Ok(Some(known.unwrap_or_else(|| from.bare_str().to_owned())))
    }

    /// Whether an account has read a conversation up to here on some client.
    async fn has_read(&self, owner: &Owner, conversation: &Jid, id: ArchiveId) -> Result<bool> {
        Ok(self.mark_of(owner, conversation).await? >= id)
    }

    fn count_pushed(&self, account: AccountId, conversation: &Jid) -> u32 {
        let mut pushed = self.pushing.pushed.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (account, conversation.clone());
        if pushed.len() >= PUSHED_LIMIT && !pushed.contains_key(&key) {
            pushed.clear();
        }
        let count = pushed.entry(key).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// An account has read a conversation on one of its clients: what was pushed about it is taken back from the others.
    pub(crate) fn read_elsewhere(&self, owner: &Owner, conversation: &Jid) {
        let key = (owner.account, conversation.clone());
        let pushed = self.pushing.pushed.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        if pushed.is_none() {
            return;
        }
        for subscription in self.subscribed.of(owner.account) {
            if matches!(subscription.channel, Channel::Web { .. }) {
                self.push_by_channel(subscription, conversation, News::Read);
            }
        }
    }
}
