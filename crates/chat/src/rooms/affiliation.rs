//! Affiliations: what somebody lastingly is to a room, and who may change that (XEP-0045 section 5.2).

/// A lasting association with a room, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Affiliation {
    /// May not enter.
    Outcast,
    /// Nothing in particular.
    #[default]
    None,
    /// On the list of members.
    Member,
    /// Moderates, bans and admits.
    Admin,
    /// May change everything about the room, and end it.
    Owner,
}

impl Affiliation {
    /// All of them, in rising order.
    pub const ALL: [Self; 5] = [Self::Outcast, Self::None, Self::Member, Self::Admin, Self::Owner];

    /// Its word in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Outcast => "outcast",
            Self::None => "none",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|affiliation| affiliation.as_str() == word)
    }

    /// Whether one with this affiliation may give somebody else another one (table 7 of section 5.2.2, and section 9.1:
    /// nobody touches those above him; sections 10.3 to 10.8: owners alone make and unmake admins and owners).
    pub fn may_change(self, from: Self, to: Self) -> bool {
        match self {
            Self::Owner => true,
            Self::Admin => from < Self::Admin && to < Self::Admin,
            _ => false,
        }
    }

    /// Whether one with this affiliation may read the list of those with another (sections 9.2, 9.5, 10.5 and 10.8).
    /// In a room where everybody sees who is who, members may read all but who was banned (section 9.5).
    pub fn may_list(self, listed: Self, everybody_is_known: bool) -> bool {
        match listed {
            Self::Owner | Self::Admin if self == Self::Owner => true,
            Self::Outcast | Self::Member if self >= Self::Admin => true,
            Self::Outcast | Self::None => false,
            _ => everybody_is_known && self >= Self::Member,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Affiliation::{Admin, Member, None, Outcast, Owner};
    use super::*;

    /// Section 5.2.2, table 7.
    #[test]
    fn changing_follows_the_table() {
        for actor in [Outcast, None, Member] {
            assert!(Affiliation::ALL.iter().all(|from| !actor.may_change(*from, Member)), "{actor:?}");
        }
        for from in [Outcast, None, Member] {
            for to in [Outcast, None, Member] {
                assert!(Admin.may_change(from, to) && Owner.may_change(from, to));
            }
            for to in [Admin, Owner] {
                assert!(!Admin.may_change(from, to) && Owner.may_change(from, to));
            }
        }
        for from in [Admin, Owner] {
            for to in Affiliation::ALL {
                assert!(!Admin.may_change(from, to) && Owner.may_change(from, to));
            }
        }
    }

    #[test]
    fn lists_are_read_by_those_who_may_change_them() {
        for listed in [Outcast, Member] {
            assert!(Admin.may_list(listed, false) && !Member.may_list(listed, false));
        }
        for listed in [Admin, Owner] {
            assert!(Owner.may_list(listed, false) && !Admin.may_list(listed, false));
            assert!(Member.may_list(listed, true) && !None.may_list(listed, true));
        }
        assert!(!Member.may_list(Outcast, true) && Member.may_list(Member, true));
    }

    #[test]
    fn words_stand_for_affiliations() {
        for affiliation in Affiliation::ALL {
            assert_eq!(Affiliation::from_word(affiliation.as_str()), Some(affiliation));
        }
        assert_eq!(Affiliation::from_word("visitor"), Option::None);
    }
}
