//! Roles: what an occupant is for as long as he is in the room, and who may change that (XEP-0045 section 5.1).

use super::affiliation::Affiliation;

/// A temporary position in a room, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Role {
    /// Not in the room.
    #[default]
    None,
    /// Without voice in a moderated room.
    Visitor,
    /// Takes part.
    Participant,
    /// Keeps order.
    Moderator,
}

impl Role {
    /// All of them, in rising order.
    pub const ALL: [Self; 4] = [Self::None, Self::Visitor, Self::Participant, Self::Moderator];

    /// Its word in the protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Visitor => "visitor",
            Self::Participant => "participant",
            Self::Moderator => "moderator",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The role that somebody has on entering (table 4 of section 5.1.3).
    pub fn on_entering(affiliation: Affiliation, moderated: bool) -> Self {
        match affiliation {
            Affiliation::Owner | Affiliation::Admin => Self::Moderator,
            Affiliation::Member => Self::Participant,
            Affiliation::None if moderated => Self::Visitor,
            Affiliation::None => Self::Participant,
            Affiliation::Outcast => Self::None,
        }
    }
}

/// One who acts on another's role, or is acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// His affiliation.
    pub affiliation: Affiliation,
    /// His role.
    pub role: Role,
}

impl Standing {
    /// Whether he is one who may change roles at all: others are told `forbidden`, and not `not-allowed` (section 8).
    pub fn is_moderating(self) -> bool {
        self.role == Role::Moderator || self.affiliation >= Affiliation::Admin
    }

    /// Whether he may give an occupant another role (table 5 of section 5.1.4; sections 8.2 to 8.5, 9.6 to 9.8).
    pub fn may_change_role(self, other: Self, to: Role) -> bool {
        if !self.is_moderating() {
            return false;
        }
        let admin = self.affiliation >= Affiliation::Admin;
        match to {
            // Section 8.2: not of one with a higher affiliation.
            Role::None => other.affiliation <= self.affiliation && (admin || other.role < Role::Moderator),
            // Sections 9.6 and 9.8: the moderators are the admins' business.
            Role::Moderator => admin,
            // Sections 8.4 and 9.7: neither voice nor moderating can be taken from admins and owners.
            Role::Visitor | Role::Participant if other.affiliation >= Affiliation::Admin => false,
            Role::Participant if other.role == Role::Moderator => admin,
            Role::Participant => true,
            // Section 8.4: not from one "at or above the moderator's level".
            Role::Visitor => {
                (admin || other.role < Role::Moderator)
                    && (other.affiliation < self.affiliation || other.affiliation == Affiliation::None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(affiliation: Affiliation, role: Role) -> Standing {
        Standing { affiliation, role }
    }

    /// Section 5.1.3, table 4.
    #[test]
    fn roles_on_entering() {
        for (affiliation, open, moderated) in [
            (Affiliation::Owner, Role::Moderator, Role::Moderator),
            (Affiliation::Admin, Role::Moderator, Role::Moderator),
            (Affiliation::Member, Role::Participant, Role::Participant),
            (Affiliation::None, Role::Participant, Role::Visitor),
            (Affiliation::Outcast, Role::None, Role::None),
        ] {
            assert_eq!(Role::on_entering(affiliation, false), open);
            assert_eq!(Role::on_entering(affiliation, true), moderated);
        }
    }

    /// Sections 8.2 to 8.5.
    #[test]
    fn a_moderator_rules_over_those_without_rank() {
        let moderator = standing(Affiliation::None, Role::Moderator);
        let member_moderator = standing(Affiliation::Member, Role::Moderator);
        let visitor = standing(Affiliation::None, Role::Visitor);
        let participant = standing(Affiliation::None, Role::Participant);
        let admin = standing(Affiliation::Admin, Role::Moderator);
        let owner = standing(Affiliation::Owner, Role::Moderator);
        assert!(moderator.may_change_role(visitor, Role::Participant));
        assert!(moderator.may_change_role(participant, Role::Visitor));
        assert!(moderator.may_change_role(participant, Role::None));
        for above in [admin, owner] {
            for to in [Role::None, Role::Visitor, Role::Participant] {
                assert!(!member_moderator.may_change_role(above, to), "{above:?} {to:?}");
            }
        }
        assert!(!moderator.may_change_role(participant, Role::Moderator));
        assert!(!moderator.may_change_role(standing(Affiliation::Member, Role::Participant), Role::Visitor));
        for powerless in [visitor, participant] {
            assert!(Role::ALL.iter().all(|to| !powerless.may_change_role(visitor, *to)));
        }
    }

    /// Sections 9.6 to 9.8.
    #[test]
    fn moderators_are_made_by_admins() {
        let admin = standing(Affiliation::Admin, Role::Moderator);
        let owner = standing(Affiliation::Owner, Role::Moderator);
        let moderator = standing(Affiliation::Member, Role::Moderator);
        let participant = standing(Affiliation::Member, Role::Participant);
        assert!(admin.may_change_role(participant, Role::Moderator));
        assert!(admin.may_change_role(moderator, Role::Participant));
        assert!(!admin.may_change_role(owner, Role::Participant));
        assert!(!owner.may_change_role(admin, Role::Participant));
        assert!(!admin.may_change_role(owner, Role::None) && owner.may_change_role(admin, Role::None));
    }
}
