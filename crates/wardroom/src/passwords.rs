//! The house's own rules for passwords: what the configuration says about them, looked over at the start.

use std::time::Duration;

use identity::breached::Breached;
use identity::password::Passwords;
use kernel::World;

use crate::Failure;
use crate::config::SignIn;

/// How passwords are hashed, which are refused, and how long they last.
pub(crate) fn rules(config: &SignIn, world: &World) -> Result<Passwords, Failure> {
    let mut passwords = Passwords::new(world)?;
    if let Some(path) = &config.breached_passwords {
        let list = Breached::open(path).map_err(|error| {
            format!("`sign_in.breached_passwords`: `{}` cannot be used: {error}", path.display())
        })?;
        passwords = passwords.refusing(list);
    }
    if let Some(days) = config.password_days {
        passwords = passwords.lasting(Duration::from_secs(u64::from(days) * 86_400));
    }
    Ok(passwords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_breached_passwords_that_is_none_stops_the_start_with_its_reason() {
        let world = World::real();
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("pwned-passwords.txt");
        let config = SignIn { breached_passwords: Some(path.clone()), ..SignIn::default() };
        let told = |config: &SignIn| rules(config, &world).unwrap_err().to_string();
        let missing = told(&config);
        assert!(
            missing.contains("pwned-passwords.txt` cannot be used: the file cannot be read"),
            "{missing}"
        );
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        std::fs::write(&path, format!("{two}:3\r\n{one}:5\r\n")).unwrap();
        assert!(told(&config).contains("out of order"));
        std::fs::write(&path, format!("{one}:3\r\n{two}:5\r\n")).unwrap();
        let config = SignIn { password_days: Some(90), ..config };
        let passwords = rules(&config, &world).unwrap();
        assert_eq!(passwords.longest(), Some(Duration::from_secs(90 * 86_400)));
    }
}
