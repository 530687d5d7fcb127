//! The numbers that stand in every database for what is one of a few kinds.

use waxwing_chat::account::Role;
use waxwing_chat::files::{FileState, Purpose, Thumbnail};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::roster::Subscription;
use waxwing_chat::store::DocumentKind;

/// A place that is open.
pub(crate) const OPEN: i64 = 0;
/// A file that is being written.
pub(crate) const WRITING: i64 = 1;
/// A file that can be read.
pub(crate) const STORED: i64 = 2;
/// A file that is gone.
pub(crate) const GONE: i64 = 3;

pub(crate) fn of_role(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Administrator => 1,
    }
}

pub(crate) fn role(number: i64) -> Role {
    if number == 1 { Role::Administrator } else { Role::Member }
}

pub(crate) fn of_document(kind: DocumentKind) -> i64 {
    match kind {
        DocumentKind::PrivateXml => 0,
        DocumentKind::ArchivePreferences => 1,
        DocumentKind::Room => 10,
        DocumentKind::RoomVcard => 11,
        DocumentKind::Notices => 2,
    }
}

pub(crate) fn of_subscription(subscription: Subscription) -> i64 {
    match subscription {
        Subscription::None => 0,
        Subscription::To => 1,
        Subscription::From => 2,
        Subscription::Both => 3,
    }
}

pub(crate) fn subscription(number: i64) -> Subscription {
    match number {
        1 => Subscription::To,
        2 => Subscription::From,
        3 => Subscription::Both,
        _ => Subscription::None,
    }
}

pub(crate) fn of_affiliation(affiliation: Affiliation) -> i64 {
    match affiliation {
        Affiliation::Outcast => 0,
        Affiliation::None => 1,
        Affiliation::Member => 2,
        Affiliation::Admin => 3,
        Affiliation::Owner => 4,
    }
}

pub(crate) fn affiliation(number: i64) -> Affiliation {
    Affiliation::ALL
        .into_iter()
        .find(|affiliation| of_affiliation(*affiliation) == number)
        .unwrap_or_default()
}

pub(crate) fn of_purpose(purpose: Purpose) -> i64 {
    match purpose {
        Purpose::Message => 0,
        Purpose::Profile => 1,
        Purpose::Ephemeral => 2,
        Purpose::Permanent => 3,
    }
}

pub(crate) fn purpose(number: i64) -> Purpose {
    match number {
        1 => Purpose::Profile,
        2 => Purpose::Ephemeral,
        3 => Purpose::Permanent,
        _ => Purpose::Message,
    }
}

pub(crate) fn of_file_state(state: FileState) -> i64 {
    match state {
        FileState::Open => OPEN,
        FileState::Writing => WRITING,
        FileState::Stored => STORED,
        FileState::Gone => GONE,
    }
}

pub(crate) fn file_state(number: i64) -> FileState {
    match number {
        OPEN => FileState::Open,
        WRITING => FileState::Writing,
        STORED => FileState::Stored,
        _ => FileState::Gone,
    }
}

pub(crate) fn of_thumbnail(thumbnail: Thumbnail) -> i64 {
    match thumbnail {
        Thumbnail::Unknown => 0,
        Thumbnail::Png => 1,
        Thumbnail::Jpeg => 2,
        Thumbnail::Impossible => 3,
    }
}

pub(crate) fn thumbnail(number: i64) -> Thumbnail {
    match number {
        0 => Thumbnail::Unknown,
        1 => Thumbnail::Png,
        2 => Thumbnail::Jpeg,
        _ => Thumbnail::Impossible,
    }
}
