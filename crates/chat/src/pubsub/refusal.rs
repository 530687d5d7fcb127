//! Why publish-subscribe refuses a request: the conditions of XEP-0060 that say more than those of RFC 6120.

/// A refusal, each with the section of XEP-0060 that knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The owner's presence has to be visible to the requester (6.1.3.2).
    PresenceRequired,
    /// The requester is in none of the groups allowed (6.1.3.3).
    NotInRosterGroup,
    /// The requester is not on the whitelist (6.1.3.4).
    Closed,
    /// His subscription waits for approval (6.1.3.7).
    PendingSubscription,
    /// The node has as many subscriptions as it may have (6.1.3.9).
    TooManySubscriptions,
    /// He subscribes or unsubscribes somebody else (6.1.3.1).
    InvalidJid,
    /// He has several subscriptions and has not said which (6.2.3.1).
    SubIdRequired,
    /// There is no such subscription (6.2.3.5).
    InvalidSubId,
    /// He is not subscribed, and wants to end or change that (6.2.3.2).
    NotSubscribed,
    /// He is not subscribed, and only subscribers may read (6.5.9.3).
    SubscriptionRequired,
    /// Whose subscription it is, is not said (6.3.4.3).
    JidRequired,
    /// A subscription cannot be like that (6.3.5.2).
    InvalidOptions,
    /// There is no name of a node (7.2.3.3).
    NodeIdRequired,
    /// There is no item, or no id of one (7.1.3.6, 7.2.3.4).
    ItemRequired,
    /// There is an item where none may be (7.1.3.6).
    ItemForbidden,
    /// The item has no payload (7.1.3.6).
    PayloadRequired,
    /// The item has more than one payload (7.1.3.5).
    InvalidPayload,
    /// The item is larger than the node takes (7.1.3.4).
    PayloadTooBig,
    /// The node is full and takes no more (7.1.3.3).
    NodeFull,
    /// The node is not as the publisher wants it to be (7.1.5).
    PreconditionNotMet,
    /// There are as many nodes as there may be.
    TooManyNodes,
    /// No such access model (8.1.2).
    UnsupportedAccessModel,
    /// A feature that this node or service does not have.
    Unsupported(&'static str),
}
