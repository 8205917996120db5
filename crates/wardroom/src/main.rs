//! Wardroom: the secure-by-default platform for an enterprise's chatbots, in one binary.
//!
//! This crate is the house around the rooms: the command line, the configuration, and the wiring.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks to its terminal")]

mod adapters;
mod audit;
mod backup;
mod bot;
mod checkpoints;
mod cli;
mod config;
mod courier;
mod datadir;
mod erase;
mod firewall;
mod holds;
mod invitations;
mod keys;
mod mail;
mod memory;
mod passwords;
mod people;
mod policies;
mod posture;
mod programs;
mod providers;
mod refused;
mod rehearsal;
mod requests;
mod retention;
mod roots;
mod samples;
mod scim;
mod up;
mod watchman;
mod wiring;

use std::process::ExitCode;

use clap::Parser;
use cli::{AuditCommand, BackupCommand, BotCommand, Cli, Command, ConfigCommand, Place, WafCommand};
use config::Config;

/// What a command that cannot go on says: each cause on its line, the last with the mend.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    memory::harden();
    // A panic's own words may hold anything that the code had in hand; the place says enough.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        eprintln!("wardroom: an internal fault at {place}; please report it");
    }));
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("wardroom: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(failure) => {
            let mut said = failure.to_string();
            eprintln!("wardroom: {said}");
            let mut cause = failure.source();
            while let Some(error) = cause {
                let words = error.to_string();
                // Some say their cause themselves.
                if !said.ends_with(&words) {
                    eprintln!("  because {words}");
                }
                said = words;
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Up { place, listen, console, json } => {
            let mut config = read(&place)?;
            config.public.listen = listen.unwrap_or(config.public.listen);
            config.console.listen = console.unwrap_or(config.console.listen);
            config.check()?;
            let again = place.clone();
            up::up(&place.data, config, Box::new(move || read(&again)), json).await
        }
        Command::Config(ConfigCommand::Check { place }) => rehearsal::check(&place).await,
        Command::Config(ConfigCommand::Show { place }) => {
            print!("{}", toml::to_string_pretty(&read(&place)?)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Bot(command) => match command {
            BotCommand::New { name, dir } => bot::new(&name, dir),
            BotCommand::Check { dir, json } => bot::check(&dir, json),
            BotCommand::Test { dir, json } => bot::test(&dir, json),
            BotCommand::Push { dir, place } => bot::push(&dir, &place.data, &read(&place)?).await,
            BotCommand::Secret(command) => {
                let (data, config) = (command.place().data.clone(), read(command.place())?);
                bot::secret(command, &data, &config).await
            }
            BotCommand::List { place, json } => bot::list(&place.data, &read(&place)?, json).await,
        },
        Command::Chat { bot, place } => bot::chat(&bot, &place.data, &place).await,
        Command::Audit(command) => match command {
            AuditCommand::Verify { place, export, key, since, log_only, json } => {
                let (export, key, since) = (export.as_deref(), key.as_deref(), since.as_deref());
                let wish = audit::Wish { export, key, since, log_only, json };
                audit::verify(&place, &read(&place)?, wish).await
            }
            AuditCommand::Export { place, out } => audit::export(&place.data, &read(&place)?, &out).await,
            AuditCommand::Tail { place, lines } => audit::tail(&place.data, &read(&place)?, lines).await,
        },
        Command::Backup(command) => match command {
            BackupCommand::Create { place, file, json } => {
                backup::create(&place.data, &read(&place)?, &file, json).await
            }
            BackupCommand::Verify { place, file, scratch, json } => {
                backup::verify(&place.data, &read(&place)?, &file, scratch.as_deref(), json).await
            }
            BackupCommand::Restore { place, file, replace, erasures, scratch, json } => {
                let wish = backup::Wish { replace, erasures, scratch, json };
                backup::restore(&place.data, &read(&place)?, &file, wish).await
            }
        },
        Command::Erase { place, subject, conversation, reason, yes } => {
            let whom = erase::Whom { subject, conversation };
            erase::erase(&place.data, &read(&place)?, whom, reason, yes).await
        }
        Command::Hold(command) => {
            let (data, config) = (command.place().data.clone(), read(command.place())?);
            holds::run(command, &data, &config).await
        }
        Command::Keys(command) => keys::run(command).await,
        Command::Scim(command) => scim::run(command).await,
        Command::User(command) => {
            let (data, config) = (command.place().data.clone(), read(command.place())?);
            people::user(command, &data, &config).await
        }
        Command::Access(command) => {
            let (data, config) = (command.place().data.clone(), read(command.place())?);
            requests::run(command, &data, &config).await
        }
        Command::ApiKey(command) => {
            let (data, config) = (command.place().data.clone(), read(command.place())?);
            programs::run(command, &data, &config).await
        }
        Command::Role(command) => {
            let place = command.place();
            let data = place.map(|place| place.data.clone()).unwrap_or_default();
            let config = place.map(read).transpose()?.unwrap_or_default();
            people::role(command, &data, &config).await
        }
        Command::Policy(command) => {
            let (data, config) = (command.place().data.clone(), read(command.place())?);
            policies::run(command, &data, &config).await
        }
        Command::Mail(command) => {
            let config = read(command.place())?;
            mail::run(command, &config).await
        }
        Command::Waf(WafCommand::Check { rules }) => firewall::check(&rules),
        Command::Waf(WafCommand::Explain { request, staff, bot, place }) => {
            firewall::explain(&request, staff, bot.as_deref(), &read(&place)?)
        }
        Command::Doctor { place, json } => posture::doctor(&place.data, &read(&place)?, json).await,
    }
}

/// Where the configuration of a place is.
pub(crate) fn path_of(place: &Place) -> std::path::PathBuf {
    place.config.clone().unwrap_or_else(|| place.data.join("wardroom.toml"))
}

/// The configuration in force at a place.
pub(crate) fn read(place: &Place) -> Result<Config, Failure> {
    Ok(Config::read(&path_of(place), place.config.is_some())?)
}
