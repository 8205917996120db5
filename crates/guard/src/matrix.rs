//! Who may do what, as a table that people read and tests compare. It is made by asking the guard, not
//! by reading the policies: what it shows is what happens.

use std::fmt::Write as _;

use crate::specimen::{Specimen, Whose};
use crate::{Act, Grant, Guard, Role, ServiceName};

/// Where an action is allowed: on what is the actor's own, and on what is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    own: bool,
    other: bool,
}

impl Cell {
    /// Asks for one action on every kind of resource that it applies to.
    pub(crate) fn of(specimen: &Specimen, guard: &Guard, act: Act) -> Self {
        let may = |whose| specimen.may(guard, act, whose);
        Self { own: may(Whose::Own), other: may(Whose::Others) }
    }

    /// Allowed on the actor's own and on others'.
    pub(crate) fn everywhere(self) -> bool {
        self.own && self.other
    }

    /// Allowed on some.
    pub(crate) fn somewhere(self) -> bool {
        self.own || self.other
    }

    pub(crate) fn text(self) -> &'static str {
        match (self.own, self.other) {
            (true, true) => "yes",
            (true, false) => "own",
            (false, true) => "others'",
            (false, false) => ".",
        }
    }
}

fn table(out: &mut String, guard: &Guard, columns: &[(&str, Specimen)]) {
    let widest = Act::ALL.iter().map(|act| act.name().len()).max().unwrap_or_default();
    // A column is as wide as its title, or as the longest thing that can stand in it.
    let width = |title: &str| title.len().max("others'".len());
    let mut line = format!("{:widest$}", "action");
    for (title, _) in columns {
        let _ = write!(line, "  {title:width$}", width = width(title));
    }
    let _ = writeln!(out, "{}", line.trim_end());
    for act in Act::ALL {
        let mut line = format!("{:widest$}", act.name());
        for (title, specimen) in columns {
            let _ = write!(line, "  {:width$}", Cell::of(specimen, guard, *act).text(), width = width(title));
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

/// What two roles in one hand may not do although one of them alone may.
fn lost(guard: &Guard, a: Role, b: Role) -> Vec<&'static str> {
    let (alone_a, alone_b) = (Specimen::of_roles(&[a]), Specimen::of_roles(&[b]));
    let both = Specimen::of_roles(&[a, b]);
    let loses = |act: &&Act| {
        let (x, y, z) = (
            Cell::of(&alone_a, guard, **act),
            Cell::of(&alone_b, guard, **act),
            Cell::of(&both, guard, **act),
        );
        ((x.own || y.own) && !z.own) || ((x.other || y.other) && !z.other)
    };
    Act::ALL.iter().filter(loses).map(|act| act.name()).collect()
}

impl Guard {
    /// The matrix of roles and actions, what roles lose when one person holds two of them, and the
    /// guards, as text. The committed copy is `docs/architecture/roles.txt`.
    pub fn matrix(&self) -> String {
        let mut out = String::from(
            "Who may do what. Made from the policies; a change of policy is a change here.\n\
             yes: on everything in the scope of the grant   own: only on what is theirs or assigned to them\n\
             others': only on what is not theirs   .: never\n\n\
             STAFF\n",
        );
        let staff: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::of_roles(&[*role]))).collect();
        table(&mut out, self, &staff);

        out.push_str("\nSTAFF WITH A GRANT FOR ONE BOT: WHAT THEY STILL REACH OUTSIDE IT\n");
        self.outside(&mut out);

        out.push_str("\nVISITORS AND SERVICES\n");
        let mut others = vec![("anonymous", Specimen::anonymous()), ("visitor", Specimen::visitor())];
        others.extend(ServiceName::ALL.iter().map(|name| (name.name(), Specimen::service(*name))));
        others.push(("directory", Specimen::directory()));
        table(&mut out, self, &others);

        out.push_str("\nAPI KEYS, MADE FOR EVERYTHING, BY THE ROLE OF THEIR OWNER\n");
        let keys: Vec<(&str, Specimen)> =
            Role::ALL.iter().map(|role| (role.name(), Specimen::key_of(*role))).collect();
        table(&mut out, self, &keys);

        out.push_str("\nTWO ROLES IN ONE HAND\n");
        for (i, a) in Role::ALL.iter().enumerate() {
            for b in Role::ALL.iter().skip(i + 1) {
                let refused =
                    crate::check_assignment(&[Grant::everywhere(*a)], &Grant::everywhere(*b)).is_err();
                let lost = lost(self, *a, *b);
                if !refused && lost.is_empty() {
                    continue;
                }
                let _ = writeln!(
                    out,
                    "{a} + {b}: {}; loses {}",
                    if refused { "not granted" } else { "granted" },
                    if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") }
                );
            }
        }

        out.push_str("\nWHAT FORBIDS, WHATEVER THE ROLE\n");
        for rule in self.rules().into_iter().filter(|rule| rule.forbids) {
            let _ = writeln!(out, "{}: {}", rule.id, rule.reason.as_deref().unwrap_or_default());
        }
        out
    }

    /// For each role what its holder reaches beyond the bot of the grant, and beyond the tenant.
    fn outside(&self, out: &mut String) {
        for (title, whose) in [("other bots", Whose::OtherBots), ("other tenants", Whose::OtherTenants)] {
            for role in Role::ALL {
                let holder = Specimen::of_one_bot(*role);
                let may = |act: &&Act| holder.may(self, **act, whose);
                let found: Vec<&str> = Act::ALL.iter().filter(may).map(|act| act.name()).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                let _ = writeln!(out, "{title}, {role}: {found}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_the_one_that_is_committed() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/architecture/roles.txt");
        let matrix = Guard::embedded().unwrap().matrix();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(golden, &matrix).unwrap();
        }
        let committed = std::fs::read_to_string(golden).unwrap();
        assert_eq!(
            matrix, committed,
            "a policy changed: review the difference, then run with UPDATE_GOLDEN=1"
        );
    }

    #[test]
    fn strangers_are_permitted_what_is_said_to_be_for_them_and_nothing_else() {
        let guard = Guard::embedded().unwrap();
        for act in Act::ALL {
            let permitted = Cell::of(&Specimen::anonymous(), &guard, *act).somewhere();
            assert_eq!(permitted, act.is_for_strangers(), "{act}");
        }
    }

    #[test]
    fn keys_are_permitted_what_they_can_be_made_for_and_nothing_else() {
        let guard = Guard::embedded().unwrap();
        for act in Act::ALL {
            let may = |role: &Role| Cell::of(&Specimen::key_of(*role), &guard, *act).somewhere();
            assert_eq!(Role::ALL.iter().any(may), Act::FOR_KEYS.contains(act), "{act}");
        }
    }

    /// What somebody loses who holds two roles that may not be held together: every power of weight that
    /// either of them brings.
    #[test]
    fn whoever_holds_both_sides_of_a_forbidden_pair_has_neither_power() {
        let guard = Guard::embedded().unwrap();
        let mut pairs = 0;
        for a in Role::ALL {
            for b in Role::ALL {
                if crate::check_assignment(&[Grant::everywhere(*a)], &Grant::everywhere(*b)).is_ok() {
                    continue;
                }
                pairs += 1;
                let (alone, both) = (Specimen::of_roles(&[*a]), Specimen::of_roles(&[*a, *b]));
                let audits = [*a, *b].contains(&Role::Auditor);
                let weighty = |act: &&Act| {
                    guard.lies_in(**act, "write")
                        || act.group() == "transcript"
                        || (audits && act.group() == "audit")
                };
                for act in Act::ALL.iter().filter(weighty) {
                    let had = Cell::of(&alone, &guard, *act).somewhere();
                    let has = Cell::of(&both, &guard, *act).somewhere();
                    // An owner's leave to put releases live is no duty of its own (`Duty::all_of`).
                    let owners = *a == Role::Owner && *act == Act::ActivateRelease;
                    assert!(!(had && has) || owners, "{a} with {b} keeps {act}");
                }
            }
        }
        assert!(pairs >= 40, "{pairs}");
    }
}
