//! The XML namespaces that XMPP uses, each under one name.

/// XEP-0133: service administration.
pub const ADMIN: &str = "http://jabber.org/protocol/admin";
/// XEP-0033: extended addresses, of which only where replies go.
pub const ADDRESSES: &str = "http://jabber.org/protocol/address";
/// XEP-0084: the data of a picture.
pub const AVATAR_DATA: &str = "urn:xmpp:avatar:data";
/// XEP-0084: what an account shows as its picture.
pub const AVATAR_METADATA: &str = "urn:xmpp:avatar:metadata";
/// XEP-0398: pictures in one format appear in the other.
pub const AVATAR_CONVERSION: &str = "urn:xmpp:pep-vcard-conversion:0";
/// RFC 6120 section 7: resource binding.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// XEP-0386: Bind 2.
pub const BIND2: &str = "urn:xmpp:bind:0";
/// XEP-0016/0191: the blocking command.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// XEP-0191 3.3: the condition that tells a sender of its own block.
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// XEP-0353: invitations to calls.
pub const CALL_INVITATION: &str = "urn:xmpp:jingle-message:0";
/// XEP-0402: bookmarks, an item each.
pub const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
/// XEP-0402: bookmarks in private storage are the same.
pub const BOOKMARKS_COMPAT: &str = "urn:xmpp:bookmarks:1#compat";
/// XEP-0402: bookmarks in one item are the same.
pub const BOOKMARKS_COMPAT_PEP: &str = "urn:xmpp:bookmarks:1#compat-pep";
/// XEP-0048: bookmarks in one list.
pub const BOOKMARKS_OLD: &str = "storage:bookmarks";
/// XEP-0115: entity capabilities.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// XEP-0390: entity capabilities 2.
pub const CAPS2: &str = "urn:xmpp:caps";
/// XEP-0280: message carbons.
pub const CARBONS: &str = "urn:xmpp:carbons:2";
/// XEP-0440: channel binding types a server offers.
pub const CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// XEP-0333: chat markers.
pub const CHAT_MARKERS: &str = "urn:xmpp:chat-markers:0";
/// XEP-0085: chat state notifications.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// RFC 6120: the content namespace between a client and its server.
pub const CLIENT: &str = "jabber:client";
/// XEP-0352: client state indication.
pub const CLIENT_STATE: &str = "urn:xmpp:csi:0";
/// XEP-0050: ad-hoc commands.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// XEP-0292: what an account notes about its contacts.
pub const CONTACTS: &str = "urn:xmpp:contacts";
/// XEP-0308: corrections of the last message.
pub const CORRECTION: &str = "urn:xmpp:message-correct:0";
/// XEP-0004: data forms.
pub const DATA_FORMS: &str = "jabber:x:data";
/// XEP-0122: what values a field of a form takes.
pub const DATA_VALIDATE: &str = "http://jabber.org/protocol/xdata-validate";
/// XEP-0203: delayed delivery.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0220: server dialback.
pub const DIALBACK: &str = "jabber:server:dialback";
/// XEP-0220: the stream feature of dialback.
pub const DIALBACK_FEATURE: &str = "urn:xmpp:features:dialback";
/// XEP-0030: what an entity is and can do.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// XEP-0030: what an entity is associated with.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// XEP-0490: how far an account has read.
pub const DISPLAYED: &str = "urn:xmpp:mds:displayed:0";
/// XEP-0490: the server publishes what stands in a message about that.
pub const DISPLAYED_ASSIST: &str = "urn:xmpp:mds:server-assist:0";
/// XEP-0380: what a message is encrypted with.
pub const ENCRYPTION: &str = "urn:xmpp:eme:0";
/// XEP-0484: fast authentication streamlining tokens.
pub const FAST: &str = "urn:xmpp:fast:0";
/// XEP-0065: bytes by way of a proxy.
pub const BYTESTREAMS: &str = "http://jabber.org/protocol/bytestreams";
/// XEP-0422: additions to earlier messages.
pub const FASTENING: &str = "urn:xmpp:fasten:0";
/// XEP-0297: stanza forwarding.
pub const FORWARD: &str = "urn:xmpp:forward:0";
/// XEP-0363: places for files.
pub const HTTP_UPLOAD: &str = "urn:xmpp:http:upload:0";
/// XEP-0363 section 5: what files are for.
pub const HTTP_UPLOAD_PURPOSE: &str = "urn:xmpp:http:upload:purpose:0";
/// RFC 7395: the framing elements of the WebSocket binding.
pub const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
/// XEP-0300: hashes with the names of their functions.
pub const HASHES: &str = "urn:xmpp:hashes:2";
/// XEP-0334: message processing hints.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0445: registration with an invitation.
pub const IBR_TOKEN: &str = "urn:xmpp:ibr-token:0";
/// XEP-0319: since when nobody has used a client.
pub const IDLE: &str = "urn:xmpp:idle:1";
/// XEP-0379 and XEP-0401: invitations.
pub const INVITE: &str = "urn:xmpp:invite";
/// XEP-0012: last activity.
pub const LAST_ACTIVITY: &str = "jabber:iq:last";
/// XEP-0313: message archive management.
pub const MAM: &str = "urn:xmpp:mam:2";
/// XEP-0313: the extended filters and preferences feature.
pub const MAM_EXTENDED: &str = "urn:xmpp:mam:2#extended";
/// XEP-0431: full text search in the archive.
pub const MAM_FULLTEXT: &str = "urn:xmpp:fulltext:0";
/// XEP-0313: the query field that asks for messages of rooms.
pub const MAM_GROUPCHAT_FIELD: &str = "urn:xmpp:mam:2#groupchat-field";
/// Hats (XEP-0317).
pub const HATS: &str = "urn:xmpp:hats:0";
/// The forms of their commands.
pub const HATS_COMMANDS: &str = "urn:xmpp:hats:commands";
/// Searching for channels (XEP-0433).
pub const CHANNEL_SEARCH: &str = "urn:xmpp:channel-search:0:search";
/// Addresses of several people in one stanza (XEP-0033).
pub const ADDRESS: &str = "http://jabber.org/protocol/address";
/// XEP-0045: multi-user chat.
pub const MUC: &str = "http://jabber.org/protocol/muc";
/// XEP-0045: what a room tells its users.
pub const MUC_USER: &str = "http://jabber.org/protocol/muc#user";
/// XEP-0045: what moderators and admins ask of a room.
pub const MUC_ADMIN: &str = "http://jabber.org/protocol/muc#admin";
/// XEP-0045: what owners ask of a room.
pub const MUC_OWNER: &str = "http://jabber.org/protocol/muc#owner";
/// XEP-0045: registration with a room.
pub const MUC_REGISTER: &str = "http://jabber.org/protocol/muc#register";
/// XEP-0045: requests for voice.
pub const MUC_REQUEST: &str = "http://jabber.org/protocol/muc#request";
/// XEP-0045: the configuration of a room.
pub const MUC_ROOMCONFIG: &str = "http://jabber.org/protocol/muc#roomconfig";
/// XEP-0045: what service discovery says about a room.
pub const MUC_ROOMINFO: &str = "http://jabber.org/protocol/muc#roominfo";
/// XEP-0045: a room reflects the id that its sender gave a message.
pub const MUC_STABLE_ID: &str = "http://jabber.org/protocol/muc#stable_id";
/// XEP-0410: a room answers a ping to oneself.
pub const MUC_SELF_PING: &str = "http://jabber.org/protocol/muc#self-ping-optimization";
/// XEP-0425: moderators retract what others said.
pub const MODERATION: &str = "urn:xmpp:message-moderate:1";
/// XEP-0172: nickname.
pub const NICK: &str = "http://jabber.org/protocol/nick";
/// XEP-0421: occupant identifiers.
pub const OCCUPANT_ID: &str = "urn:xmpp:occupant-id:0";
/// XEP-0160: offline messages.
pub const OFFLINE: &str = "msgoffline";
/// XEP-0384: OMEMO.
pub const OMEMO: &str = "urn:xmpp:omemo:2";
/// XEP-0384: the keys of an account's devices.
pub const OMEMO_BUNDLES: &str = "urn:xmpp:omemo:2:bundles";
/// XEP-0384: the devices of an account.
pub const OMEMO_DEVICES: &str = "urn:xmpp:omemo:2:devices";
/// XEP-0384 as it is mostly deployed: the devices of an account.
pub const OMEMO_LEGACY_DEVICES: &str = "eu.siacs.conversations.axolotl.devicelist";
/// XEP-0384 as it is mostly deployed.
pub const OMEMO_LEGACY: &str = "eu.siacs.conversations.axolotl";
/// XEP-0066: addresses of files.
pub const OOB: &str = "jabber:x:oob";
/// XEP-0373: OpenPGP.
pub const OPENPGP: &str = "urn:xmpp:openpgp:0";
/// XEP-0199: ping.
pub const PING: &str = "urn:xmpp:ping";
/// XEP-0379: pre-authenticated roster subscriptions.
pub const PREAUTH: &str = "urn:xmpp:pars:0";
/// RFC 6121 section 3.4: subscription pre-approval.
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// XEP-0049: private XML storage.
pub const PRIVATE: &str = "jabber:iq:private";
/// XEP-0060: publish-subscribe.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// XEP-0060: what subscribers are told.
pub const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// XEP-0060: the conditions of its errors.
pub const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// XEP-0060: what service discovery says about a node.
pub const PUBSUB_METADATA: &str = "http://jabber.org/protocol/pubsub#meta-data";
/// XEP-0060: the configuration of a node.
pub const PUBSUB_NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// XEP-0060: what owners ask of a node.
pub const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// XEP-0060: what a publisher wants a node to be.
pub const PUBSUB_PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
/// XEP-0060: an owner's answer to a request to subscribe.
pub const PUBSUB_SUBSCRIBE_AUTHORIZATION: &str = "http://jabber.org/protocol/pubsub#subscribe_authorization";
/// XEP-0060: what a subscriber decides.
pub const PUBSUB_SUBSCRIBE_OPTIONS: &str = "http://jabber.org/protocol/pubsub#subscribe_options";
/// XEP-0357: push notifications.
pub const PUSH: &str = "urn:xmpp:push:0";
/// XEP-0357 section 5: the form that sums up what a push is about.
pub const PUSH_SUMMARY: &str = "urn:xmpp:push:summary";
/// XEP-0444: reactions.
pub const REACTIONS: &str = "urn:xmpp:reactions:0";
/// XEP-0184: delivery receipts.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0372: references.
pub const REFERENCE: &str = "urn:xmpp:reference:0";
/// XEP-0077: in-band registration.
pub const REGISTER: &str = "jabber:iq:register";
/// XEP-0077: the stream feature of in-band registration.
pub const REGISTER_FEATURE: &str = "http://jabber.org/features/iq-register";
/// XEP-0461: replies.
pub const REPLY: &str = "urn:xmpp:reply:0";
/// XEP-0424: retraction of messages.
pub const RETRACTION: &str = "urn:xmpp:message-retract:1";
/// XEP-0424: retracted messages leave a mark in the archive.
pub const RETRACTION_TOMBSTONE: &str = "urn:xmpp:message-retract:1#tombstone";
/// XEP-0249: direct invitations to rooms.
pub const ROOM_INVITATION: &str = "jabber:x:conference";
/// RFC 6121 section 2: the roster.
pub const ROSTER: &str = "jabber:iq:roster";
/// RFC 6121 section 2.6: the stream feature of roster versioning.
pub const ROSTER_VERSIONING: &str = "urn:xmpp:features:rosterver";
/// XEP-0059: result set management.
pub const RSM: &str = "http://jabber.org/protocol/rsm";
/// RFC 6120 section 6: SASL negotiation.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// XEP-0388: extensible SASL profile.
pub const SASL2: &str = "urn:xmpp:sasl:2";
/// XEP-0480: SASL upgrade tasks.
pub const SASL_UPGRADE: &str = "urn:xmpp:sasl:upgrade:0";
/// XEP-0055: search.
pub const SEARCH: &str = "jabber:iq:search";
/// RFC 6120: the content namespace between two servers.
pub const SERVER: &str = "jabber:server";
/// XEP-0157: contact addresses.
pub const SERVER_INFO: &str = "http://jabber.org/network/serverinfo";
/// RFC 3921 section 3: session establishment, kept as a no-op for old clients.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// XEP-0198: stream management.
pub const SM3: &str = "urn:xmpp:sm:3";
/// XEP-0232: name and version of software in service discovery.
pub const SOFTWARE_INFO: &str = "urn:xmpp:dataforms:softwareinfo";
/// RFC 6120 section 8.3: stanza error conditions.
pub const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// XEP-0131: headers of stanzas, of which only the ids of subscriptions.
pub const SHIM: &str = "http://jabber.org/protocol/shim";
/// XEP-0359: unique and stable stanza ids.
pub const STANZA_ID: &str = "urn:xmpp:sid:0";
/// Beside presence: what a status has that RFC 6121 has no word for.
pub const STATUS: &str = "urn:waxwing:status:0";
/// RFC 6120 section 4.8.1: the stream itself.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// RFC 6120 section 4.9: stream error conditions.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// XEP-0202: entity time.
pub const TIME: &str = "urn:xmpp:time";
/// RFC 6120 section 5: STARTTLS.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// XEP-0054: vcard-temp.
pub const VCARD: &str = "vcard-temp";
/// XEP-0292: vCard4 in XML (RFC 6351).
pub const VCARD4: &str = "urn:ietf:params:xml:ns:vcard-4.0";
/// XEP-0292: the node of an account's card.
pub const VCARD4_NODE: &str = "urn:xmpp:vcard4";
/// XEP-0153: the hash of a picture in presence.
pub const VCARD_UPDATE: &str = "vcard-temp:x:update";
/// XEP-0092: software version.
pub const VERSION: &str = "jabber:iq:version";
/// Namespaces in XML 1.0 section 3: what the prefix `xml` is bound to.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// Namespaces in XML 1.0 section 3: what the prefix `xmlns` is bound to.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
/// XEP-0447: files and where they are.
pub const FILE_SHARING: &str = "urn:xmpp:sfs:0";
/// XEP-0446: what a file is.
pub const FILE_METADATA: &str = "urn:xmpp:file:metadata:0";
/// XEP-0264: a small picture of a file.
pub const THUMBS: &str = "urn:xmpp:thumbs:1";
/// XEP-0103: an address where data is.
pub const URL_DATA: &str = "http://jabber.org/protocol/url-data";
/// XEP-0335: JSON in a stanza.
pub const JSON: &str = "urn:xmpp:json:0";
/// XEP-0432: a message that is JSON.
pub const JSON_MESSAGE: &str = "urn:xmpp:json-msg:0";
/// Where a message is that another one is about, for clients that read by places.
pub const MESSAGE: &str = "urn:waxwing:message:0";
/// The datatype of a question with answers to choose from, in a message that is JSON.
pub const POLL: &str = "urn:waxwing:poll:0";
/// XEP-0428: which part of a text is for clients that do not know better.
pub const FALLBACK: &str = "urn:xmpp:fallback:0";
