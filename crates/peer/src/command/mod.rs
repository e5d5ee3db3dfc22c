//! What the command line can ask for.

mod account;
mod classic;
mod engine;
mod hand_over;
mod identity;
mod output;
mod publish;

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use carriers::{Carrier, tls::Roots};
use clap::{Args, Parser, Subcommand};
use crosstalk::{address::Invitation, xmpp::BareJid};

use self::account::XmppOptions;

/// Something else went wrong.
const OTHER: u8 = 1;
/// The folder cannot be published or written, or the files cannot be sent.
const FOLDER: u8 = 3;
/// The gateway says no, and trying again would not change that.
const GATEWAY: u8 = 4;
/// The identity's key cannot be used.
const KEY: u8 = 5;
/// The XMPP account cannot be used, and trying again would not change that.
const ACCOUNT: u8 = 6;

/// Why the program ends, for the person who started it and for scripts.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What happened and what can be done.
    pub(crate) sentence: String,
    /// The exit code.
    pub(crate) code: u8,
}

impl Failure {
    fn new(code: u8, sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), code }
    }
}

/// Publishes a folder of this computer on the web, hands files over to one visitor, or asks visitors for
/// files, through a gateway.
#[derive(Debug, Parser)]
#[command(name = "veranda-peer", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0  ended as asked (Ctrl-C, SIGTERM, --once), or everything arrived
  1  something else went wrong
  2  the command line cannot be read, for example the gateway's address
  3  the folder cannot be published or written, or the files cannot be sent
  4  the gateway says no, and trying again would not change that
  5  the identity's key cannot be used
  6  the XMPP account cannot be used: it is missing, its password is wrong, its server says no, or a
     file for it cannot be read

Environment:
  VERANDA_PASSPHRASE  opens the file of --key-file, instead of asking on the terminal
  VERANDA_LOG         what to log on standard error: error, warn, info, debug";

#[derive(Debug, Subcommand)]
enum Command {
    Ask(Box<hand_over::Ask>),
    Proof(Proof),
    Publish(Box<Publish>),
    Send(Box<hand_over::Send>),
}

/// Prints a fresh proof of identity, for use with curl and other programs.
///
/// The proof is good for one request within a minute:
///
///   curl -X PUT -H "Authorization: Bearer $(veranda-peer proof --gateway URL)" \
///        URL/veranda/names/my-name
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
struct Proof {
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    key: Key,
}

/// Publishes a folder until it is ended with Ctrl-C.
///
/// Prints the link, and then who fetches what. The same folder with the same data keeps its link.
/// When the gateway is away, it is tried again until it is back.
#[derive(Args, Debug)]
#[command(after_help = JSON_HELP)]
struct Publish {
    /// The folder. Nothing outside it is ever served.
    folder: PathBuf,
    /// The gateway's address, like gateway.example or localhost:8080; over XMPP it is like
    /// xmpp:gateway@chat.example, perhaps with ?invite=CODE behind it.
    #[arg(long, value_name = "URL", env = "VERANDA_GATEWAY", value_parser = Invitation::parse,
          required_unless_present = "classic_gateway")]
    gateway: Option<Invitation>,
    #[command(flatten)]
    xmpp: XmppOptions,
    /// Publish through a gateway of 2008 that has this account. Texts only; it has to know your account.
    #[arg(long, value_name = "JID", value_parser = carriers::xmpp::given::jid,
          requires = "xmpp_jid", help_heading = "XMPP, for a gateway of 2008")]
    classic_gateway: Option<BareJid>,
    /// What links begin with there, as the gateway's operator says: `http://gateway.example:8080/name`
    #[arg(
        long,
        value_name = "URL",
        value_parser = classic::address,
        requires = "classic_gateway",
        help_heading = "XMPP, for a gateway of 2008"
    )]
    classic_address: Option<String>,
    /// The title; the folder's name if left out.
    #[arg(long, value_name = "TITLE")]
    name: Option<String>,
    /// Serve hidden files too: those whose names begin with a dot.
    #[arg(long)]
    hidden_files: bool,
    #[command(flatten)]
    key: Key,
    /// Where links and the history are kept; if left out, where this system keeps such things.
    #[arg(long, value_name = "FOLDER", env = "VERANDA_DATA")]
    data: Option<PathBuf>,
    /// Use only this carrier instead of the best that works: petrichor, ptth-h2, ptth-h1, taxi or
    /// poll.
    #[arg(long, value_name = "NAME", value_parser = carrier)]
    carrier: Option<Carrier>,
    /// Print one JSON object a line instead of text (see below).
    #[arg(long)]
    json: bool,
    /// End when the first file was delivered completely.
    #[arg(long)]
    once: bool,
}

const JSON_HELP: &str = r#"With --json each line is an object. The first, as soon as the link works:
  {"event":"published","site":ID,"url":URL}
It comes again if the URL changes. Then, as things happen:
  {"event":"link","state":"up","carrier":TEXT,"since":TIME,"missed":[{"carrier":TEXT,"why":TEXT}],
   "rate":BYTES A SECOND or null,"slow":TEXT or null}
  {"event":"link","state":"down","sentence":TEXT,"heals":BOOL,"retry_at":TIME or null}
  {"event":"transfer","state":"started" or "progress","id":NUMBER,"site":ID,"file":TEXT,
   "visitor":ADDRESS or null,"agent":TEXT,"size":BYTES,"sent":BYTES,"delivered":BYTES,
   "rate":BYTES A SECOND,"since":TIME}
  {"event":"transfer","state":"ended","id":NUMBER,"site":ID,"file":TEXT,
   "visitor":ADDRESS or null,"agent":TEXT,"size":BYTES,"delivered":BYTES,"since":TIME,
   "until":TIME,"end":"complete" or "cut","by":null or "connection", "file", "owner",
   "unconfirmed", "visitor"}
"sent" was handed to the gateway; "delivered" was taken by the visitor's connection. TIME is
milliseconds since 1970. The link's "rate" is measured over XMPP only; "slow" says what it means when
that is little, and such a line comes again when it changes much. Problems are sentences on standard error."#;

fn carrier(name: &str) -> Result<Carrier, String> {
    Carrier::from_name(name).ok_or_else(|| {
        let names = Carrier::LADDER.map(Carrier::name);
        format!("there is no such carrier; there are {}", names.join(", "))
    })
}

/// Which gateway.
#[derive(Args, Debug)]
struct Gateway {
    /// The gateway's address, like gateway.example or localhost:8080; over XMPP it is like
    /// xmpp:gateway@chat.example, perhaps with ?invite=CODE behind it.
    #[arg(long = "gateway", value_name = "URL", env = "VERANDA_GATEWAY",
          value_parser = Invitation::parse)]
    invitation: Invitation,
}

/// Whose names they are.
#[derive(Args, Debug)]
struct Key {
    /// A file with the identity's key, encrypted with a passphrase; it is made if it is not there.
    /// If left out, the key is in the keychain of this computer, if there is one.
    #[arg(long = "key-file", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Does what the command line asks for.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Proof(proof) => {
            let identity = identity::open(proof.key.file.as_deref()).await?;
            let gateway = &proof.gateway.invitation.gateway;
            let made = peer::prove(identity.key.into(), gateway, &Roots::System).await;
            let made = made.map_err(|trouble| Failure::new(GATEWAY, trouble.to_string()))?;
            writeln!(io::stdout(), "{made}").map_err(|error| Failure::new(OTHER, error.to_string()))
        }
        Command::Publish(publish) => publish::run(*publish).await,
        Command::Send(send) => hand_over::send(*send).await,
        Command::Ask(ask) => hand_over::ask(*ask).await,
    }
}

/// Says something to the person at the terminal that is no result.
fn say(sentence: &str) {
    // Without anybody to read it there is nothing to do.
    let _ = writeln!(io::stderr(), "{sentence}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn only_options_of_xmpp_stand_under_its_heading() {
        let command = Arguments::command();
        let publish = command.find_subcommand("publish").unwrap();
        for option in publish.get_arguments() {
            let name = option.get_id().as_str();
            let of_xmpp = name.starts_with("xmpp") || name.starts_with("classic");
            assert_eq!(option.get_help_heading().is_some(), of_xmpp, "{name}");
        }
    }

    #[test]
    fn reads_what_the_readme_says() {
        let line =
            "veranda-peer publish ./folder --gateway localhost:8080 --name Photos --json --once";
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Publish(publish) = arguments.command else { panic!() };
        assert_eq!(publish.gateway.as_ref().unwrap().gateway.origin(), "http://localhost:8080");
        assert!(publish.json && publish.once && !publish.hidden_files);
        assert!(publish.xmpp.account().unwrap().is_none());
        let line = "veranda-peer publish ./folder --gateway xmpp:gateway@chat.example?invite=a-code \
                    --xmpp-jid anna@chat.example --xmpp-password-file /nonexistent/password";
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Publish(publish) = arguments.command else { panic!() };
        assert_eq!(publish.gateway.as_ref().unwrap().invite.as_deref(), Some("a-code"));
        let failure = publish.xmpp.account().unwrap_err();
        assert_eq!(failure.code, ACCOUNT);
        assert!(failure.sentence.starts_with("Cannot read the password"), "{}", failure.sentence);
        let line = "veranda-peer publish ./folder --classic-gateway gateway@chat.example \
                    --classic-address http://gateway.example:8080/anna \
                    --xmpp-jid anna@chat.example --xmpp-password-file /nonexistent/password";
        let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Publish(publish) = arguments.command else { panic!() };
        assert!(publish.gateway.is_none() && publish.classic_gateway.is_some());
        let nowhere = line.replace("http://gateway.example:8080/anna", "gateway.example/anna");
        let sentence =
            Arguments::try_parse_from(nowhere.split_whitespace()).unwrap_err().to_string();
        assert!(sentence.contains("http://gateway.example:8080/name"), "{sentence}");
        assert!(Arguments::try_parse_from(["veranda-peer", "publish", "./folder"]).is_err());
        for line in [
            "veranda-peer send a.jpg b.jpg --gateway localhost:8080 --note Hello --ask-first --json",
            "veranda-peer ask --into ./folder --gateway localhost:8080 --largest 500M --files 3",
        ] {
            Arguments::try_parse_from(line.split(' ')).unwrap();
        }
        for line in [
            "veranda-peer send --gateway localhost:8080",
            "veranda-peer ask --gateway localhost:8080",
            "veranda-peer ask --into ./folder --gateway localhost:8080 --files 0",
            "veranda-peer ask --into ./folder --gateway localhost:8080 --largest much",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
        let bad = "veranda-peer publish ./folder --gateway http://gateway.example";
        let sentence = Arguments::try_parse_from(bad.split(' ')).unwrap_err().to_string();
        assert!(sentence.contains("needs https://"), "{sentence}");
    }
}
