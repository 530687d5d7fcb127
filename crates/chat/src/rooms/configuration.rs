//! What an owner decides about a room: the options of XEP-0045 section 16.5.3 in one table, which the form is made from,
//! read by, and kept as.

use super::affiliation::Affiliation;
use super::role::Role;
use crate::error::{Error, Result};

/// How many people a room may hold unless its owner says less; nobody may say more.
pub const OCCUPANTS_LIMIT: usize = 10_000;

/// How many more admins and owners may enter a full room (section 7.2.9).
pub const OCCUPANTS_RESERVE: usize = 20;

/// How many messages of the past a newcomer is sent at most.
pub const HISTORY_LIMIT: usize = 100;

/// Bytes of a text option: name, description, password.
pub const OPTION_BYTES_LIMIT: usize = 4096;

/// Who may send private messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateMessages {
    /// Every occupant.
    Anyone,
    /// Those with voice.
    Participants,
    /// Moderators.
    Moderators,
    /// Nobody.
    Nobody,
}

impl PrivateMessages {
    const WORDS: [(Self, &'static str); 4] = [
        (Self::Anyone, "anyone"),
        (Self::Participants, "participants"),
        (Self::Moderators, "moderators"),
        (Self::Nobody, "none"),
    ];

    /// Whether one with this role may send any.
    pub fn allow(self, role: Role) -> bool {
        match self {
            Self::Anyone => role >= Role::Visitor,
            Self::Participants => role >= Role::Participant,
            Self::Moderators => role >= Role::Moderator,
            Self::Nobody => false,
        }
    }
}

/// The configuration of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Its name for people.
    pub name: String,
    /// What it is about.
    pub description: String,
    /// The language spoken in it.
    pub language: String,
    /// A node of publish-subscribe that belongs to it.
    pub pubsub: String,
    /// Lives on when nobody is in it.
    pub persistent: bool,
    /// Can be found.
    pub public: bool,
    /// Who comes in anew has no voice.
    pub moderated: bool,
    /// Only members may enter.
    pub members_only: bool,
    /// Who enters must know the password.
    pub password_protected: bool,
    /// The password.
    pub password: String,
    /// Everybody sees everybody's address, and not only moderators do.
    pub non_anonymous: bool,
    /// Everybody with voice may change the subject, and not only moderators may.
    pub subject_by_anyone: bool,
    /// Members may invite into a members-only room, which makes members of those they invite.
    pub members_invite: bool,
    /// Whoever has a nickname kept for him is in the room under that one only.
    pub lock_nicks: bool,
    /// Who may send private messages.
    pub private_messages: PrivateMessages,
    /// How many may be in it.
    pub occupants_limit: usize,
    /// How many messages of the past a newcomer is sent.
    pub history_limit: usize,
    /// What is said in it is kept in its archive.
    pub logging: bool,
    /// Only admins, and those who are given voice, may write.
    pub announcements: bool,
    /// Nobody may write any more; what was said can be read by those who could.
    pub archived: bool,
    /// The roles whose presence is shown to others.
    pub shown_roles: [bool; 3],
    /// The roles that may have the list of members.
    pub member_list_roles: [bool; 3],
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            language: String::new(),
            pubsub: String::new(),
            persistent: false,
            public: true,
            moderated: false,
            members_only: false,
            password_protected: false,
            password: String::new(),
            non_anonymous: false,
            subject_by_anyone: false,
            members_invite: false,
            lock_nicks: false,
            private_messages: PrivateMessages::Anyone,
            occupants_limit: OCCUPANTS_LIMIT,
            history_limit: 20,
            logging: true,
            announcements: false,
            archived: false,
            shown_roles: [true; 3],
            member_list_roles: [true, true, true],
        }
    }
}

/// How an option is shown in a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionKind {
    /// Yes or no.
    Flag,
    /// One line.
    Text,
    /// One line that is not shown.
    Secret,
    /// One of these values.
    Choice(&'static [&'static str]),
    /// Some of these values.
    Choices(&'static [&'static str]),
}

/// One option: its field, and how it is read and written.
pub struct ConfigurationOption {
    /// The name of its field.
    pub var: &'static str,
    /// What it asks, for people.
    pub label: &'static str,
    /// How it is shown.
    pub kind: OptionKind,
    get: fn(&Configuration) -> Vec<String>,
    set: fn(&mut Configuration, &[String]) -> Option<()>,
}

impl std::fmt::Debug for ConfigurationOption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.var)
    }
}

impl ConfigurationOption {
    /// Its values in a configuration.
    pub fn values(&self, configuration: &Configuration) -> Vec<String> {
        (self.get)(configuration)
    }
}

const ROLES: &[&str] = &["moderator", "participant", "visitor"];

macro_rules! flag {
    ($var:literal, $label:literal, $field:ident) => {
        ConfigurationOption {
            var: $var,
            label: $label,
            kind: OptionKind::Flag,
            get: |c| vec![flag_word(c.$field)],
            set: |c, values| read_flag(values).map(|on| c.$field = on),
        }
    };
}

macro_rules! text {
    ($var:literal, $label:literal, $kind:expr, $field:ident) => {
        ConfigurationOption {
            var: $var,
            label: $label,
            kind: $kind,
            get: |c| vec![c.$field.clone()],
            set: |c, values| read_text(values).map(|text| c.$field = text),
        }
    };
}

/// Every option, in the order of the form.
pub static OPTIONS: &[ConfigurationOption] = &[
    text!("muc#roomconfig_roomname", "Name of the room", OptionKind::Text, name),
    text!("muc#roomconfig_roomdesc", "What the room is about", OptionKind::Text, description),
    text!("muc#roomconfig_lang", "Language spoken in the room", OptionKind::Text, language),
    flag!("muc#roomconfig_persistentroom", "Keep the room when nobody is in it", persistent),
    flag!("muc#roomconfig_publicroom", "Let the room be found", public),
    flag!("muc#roomconfig_membersonly", "Let only members enter", members_only),
    flag!("muc#roomconfig_allowinvites", "Let members invite others", members_invite),
    flag!("muc#roomconfig_passwordprotectedroom", "Ask for a password", password_protected),
    text!("muc#roomconfig_roomsecret", "The password", OptionKind::Secret, password),
    flag!("muc#roomconfig_moderatedroom", "Let newcomers only listen", moderated),
    flag!("muc#roomconfig_changesubject", "Let everybody with voice change the subject", subject_by_anyone),
    flag!("muc#roomconfig_enablelogging", "Keep what is said in the room's archive", logging),
    ConfigurationOption {
        var: "muc#roomconfig_whois",
        label: "Who sees people's addresses",
        kind: OptionKind::Choice(&["moderators", "anyone"]),
        get: |c| vec![if c.non_anonymous { "anyone" } else { "moderators" }.to_owned()],
        set: |c, values| {
            c.non_anonymous = match single(values)? {
                "anyone" => true,
                "moderators" => false,
                _ => return None,
            };
            Some(())
        },
    },
    ConfigurationOption {
        var: "muc#roomconfig_allowpm",
        label: "Who may send private messages",
        kind: OptionKind::Choice(&["anyone", "participants", "moderators", "none"]),
        get: |c| {
            let word = PrivateMessages::WORDS.iter().find(|(who, _)| *who == c.private_messages);
            word.map(|(_, word)| (*word).to_owned()).into_iter().collect()
        },
        set: |c, values| {
            let word = single(values)?;
            let (who, _) = PrivateMessages::WORDS.iter().find(|(_, known)| *known == word)?;
            c.private_messages = *who;
            Some(())
        },
    },
    ConfigurationOption {
        var: "muc#roomconfig_maxusers",
        label: "How many may be in the room",
        kind: OptionKind::Choice(&[
            "10", "20", "30", "50", "100", "200", "500", "1000", "2000", "5000", "10000",
        ]),
        get: |c| vec![c.occupants_limit.to_string()],
        set: |c, values| {
            let limit = match single(values)? {
                "none" => OCCUPANTS_LIMIT,
                number => number.parse().ok()?,
            };
            c.occupants_limit = Some(limit).filter(|limit| (1..=OCCUPANTS_LIMIT).contains(limit))?;
            Some(())
        },
    },
    ConfigurationOption {
        var: "muc#maxhistoryfetch",
        label: "How many messages of the past a newcomer is sent",
        kind: OptionKind::Text,
        get: |c| vec![c.history_limit.to_string()],
        set: |c, values| {
            let limit = single(values)?.parse().ok()?;
            c.history_limit = Some(limit).filter(|limit| *limit <= HISTORY_LIMIT)?;
            Some(())
        },
    },
    ConfigurationOption {
        var: "muc#roomconfig_presencebroadcast",
        label: "Whose presence is shown to others",
        kind: OptionKind::Choices(ROLES),
        get: |c| role_words(c.shown_roles),
        set: |c, values| read_roles(values).map(|roles| c.shown_roles = roles),
    },
    ConfigurationOption {
        var: "muc#roomconfig_getmemberlist",
        label: "Who may have the list of members",
        kind: OptionKind::Choices(ROLES),
        get: |c| role_words(c.member_list_roles),
        set: |c, values| read_roles(values).map(|roles| c.member_list_roles = roles),
    },
    // In the notation of XEP-0068 section 3.4 for what is in no registry.
    flag!(
        "{urn:waxwing:rooms}locknicks",
        "Let people enter under the nickname kept for them only",
        lock_nicks
    ),
    flag!(
        "{urn:waxwing:rooms}announcements",
        "Let only admins and those who are given voice write",
        announcements
    ),
    flag!("{urn:waxwing:rooms}archived", "Let nobody write any more", archived),
    text!("muc#roomconfig_pubsub", "Publish-subscribe node of the room", OptionKind::Text, pubsub),
];

fn single(values: &[String]) -> Option<&str> {
    match values {
        [value] => Some(value.trim()),
        _ => None,
    }
}

fn flag_word(on: bool) -> String {
    if on { "1" } else { "0" }.to_owned()
}

/// XEP-0004 section 3.3: both spellings.
fn read_flag(values: &[String]) -> Option<bool> {
    match single(values)? {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn read_text(values: &[String]) -> Option<String> {
    let text = values.first().map(String::as_str).unwrap_or_default();
    (values.len() <= 1 && text.len() <= OPTION_BYTES_LIMIT).then(|| text.to_owned())
}

fn role_words(roles: [bool; 3]) -> Vec<String> {
    ROLES.iter().zip(roles).filter(|(_, on)| *on).map(|(word, _)| (*word).to_owned()).collect()
}

fn read_roles(values: &[String]) -> Option<[bool; 3]> {
    let mut roles = [false; 3];
    for value in values.iter().filter(|value| !value.is_empty()) {
        // "none" is in the registry and says the same as no value at all.
        if value != "none" {
            roles[ROLES.iter().position(|word| word == value)?] = true;
        }
    }
    Some(roles)
}

impl Configuration {
    /// The role of one with this affiliation, unless he is given another.
    pub fn role_of(&self, affiliation: Affiliation) -> Role {
        match affiliation {
            Affiliation::Member if self.announcements => Role::Visitor,
            _ => Role::on_entering(affiliation, self.has_listeners()),
        }
    }

    /// Whether there are some who may only listen.
    pub fn has_listeners(&self) -> bool {
        self.moderated || self.announcements
    }

    /// Whether it is found by whoever looks around.
    pub fn is_listed(&self) -> bool {
        self.public && !self.archived
    }

    /// Whether whoever likes may enter.
    pub fn is_open(&self) -> bool {
        !self.members_only && !self.password_protected
    }

    /// Whether presence of those with this role is shown to others.
    pub fn shows(&self, role: Role) -> bool {
        has(self.shown_roles, role)
    }

    /// Whether those with this role may have the list of members.
    pub fn gives_member_list(&self, role: Role) -> bool {
        has(self.member_list_roles, role)
    }

    /// Sets an option; says whether there is one of this name.
    pub fn set(&mut self, var: &str, values: &[String]) -> Result<bool> {
        let Some(option) = OPTIONS.iter().find(|option| option.var == var) else {
            return Ok(false);
        };
        (option.set)(self, values)
            .ok_or(Error::NotAcceptable("an option has a value that it cannot have"))?;
        Ok(true)
    }

    /// Refuses what contradicts itself (section 10.1.3: "e.g., because the password … is blank").
    pub fn check(&self) -> Result<()> {
        if self.password_protected && self.password.is_empty() {
            return Err(Error::NotAcceptable("the password is empty"));
        }
        Ok(())
    }

    /// The form that is kept: a line for each value.
    pub fn to_stored(&self) -> String {
        let mut out = String::new();
        for option in OPTIONS {
            for value in option.values(self) {
                out.push_str(option.var);
                out.push(' ');
                out.push_str(&value.replace('\\', "\\\\").replace('\n', "\\n"));
                out.push('\n');
            }
            if option.values(self).is_empty() {
                out.push_str(option.var);
                out.push('\n');
            }
        }
        out
    }

    /// Reads the form that is kept; what it does not say is as by default.
    pub fn from_stored(stored: &str) -> Self {
        let mut configuration = Self::default();
        let mut lines = stored.lines().peekable();
        while let Some(line) = lines.next() {
            let (var, first) = line.split_once(' ').map_or((line, None), |(var, value)| (var, Some(value)));
            let mut values: Vec<String> = first.map(unescape).into_iter().collect();
            while let Some((same, value)) = lines.peek().and_then(|next| next.split_once(' '))
                && same == var
            {
                values.push(unescape(value));
                lines.next();
            }
            // What another version has kept and this one cannot read is as by default.
            drop(configuration.set(var, &values));
        }
        configuration
    }
}

fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                other => out.extend(other),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

fn has(roles: [bool; 3], role: Role) -> bool {
    match role {
        Role::Moderator => roles[0],
        Role::Participant => roles[1],
        Role::Visitor => roles[2],
        Role::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Section 16.5.3, and what a form may say of each.
    #[test]
    fn every_option_is_read_written_and_kept() {
        let mut configuration = Configuration::default();
        for (var, given) in [
            ("muc#roomconfig_roomname", values(&["A Dark\nCave \\"])),
            ("muc#roomconfig_roomdesc", values(&["The place for all good witches!"])),
            ("muc#roomconfig_lang", values(&["en"])),
            ("muc#roomconfig_pubsub", values(&["xmpp:pubsub.shakespeare.lit?;node=princely_musings"])),
            ("muc#roomconfig_persistentroom", values(&["1"])),
            ("muc#roomconfig_publicroom", values(&["0"])),
            ("muc#roomconfig_moderatedroom", values(&["1"])),
            ("muc#roomconfig_membersonly", values(&["1"])),
            ("muc#roomconfig_passwordprotectedroom", values(&["1"])),
            ("muc#roomconfig_roomsecret", values(&["cauldronburn"])),
            ("muc#roomconfig_whois", values(&["anyone"])),
            ("muc#roomconfig_changesubject", values(&["1"])),
            ("muc#roomconfig_allowinvites", values(&["1"])),
            ("{urn:waxwing:rooms}locknicks", values(&["1"])),
            ("{urn:waxwing:rooms}announcements", values(&["1"])),
            ("{urn:waxwing:rooms}archived", values(&["1"])),
            ("muc#roomconfig_allowpm", values(&["moderators"])),
            ("muc#roomconfig_maxusers", values(&["10"])),
            ("muc#maxhistoryfetch", values(&["50"])),
            ("muc#roomconfig_enablelogging", values(&["0"])),
            ("muc#roomconfig_presencebroadcast", values(&["moderator", "participant"])),
            ("muc#roomconfig_getmemberlist", values(&[])),
        ] {
            assert!(configuration.set(var, &given).unwrap(), "{var}");
            let option = OPTIONS.iter().find(|option| option.var == var).unwrap();
            assert_eq!(option.values(&configuration), given, "{var}");
            assert_ne!(option.values(&Configuration::default()), given, "{var} has been changed");
        }
        assert_eq!(Configuration::from_stored(&configuration.to_stored()), configuration);
        assert_eq!(Configuration::from_stored(""), Configuration::default());
        assert_eq!(
            Configuration::from_stored("muc#roomconfig_unknown 1\nmuc#roomconfig_maxusers none\n"),
            Configuration::default()
        );
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        for (var, given) in [
            ("muc#roomconfig_whois", values(&["none"])),
            ("muc#roomconfig_maxusers", values(&["0"])),
            ("muc#roomconfig_maxusers", values(&["1000000"])),
            ("muc#roomconfig_persistentroom", values(&["yes"])),
            ("muc#roomconfig_presencebroadcast", values(&["king"])),
            ("muc#maxhistoryfetch", values(&["1000"])),
        ] {
            let refused = Configuration::default().set(var, &given);
            assert!(matches!(refused, Err(Error::NotAcceptable(_))), "{var} {given:?}");
        }
        let without = Configuration { password_protected: true, ..Configuration::default() };
        assert!(without.check().is_err());
        assert!(!Configuration::default().set("muc#roomconfig_unheard_of", &values(&["1"])).unwrap());
    }
}
