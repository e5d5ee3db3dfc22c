//! What the command line says of the owner's XMPP account.

use std::path::PathBuf;

use carriers::{
    tls::Roots,
    xmpp::{Account, Login, Password, given},
};
use clap::Args;
use crosstalk::xmpp::BareJid;

use super::{ACCOUNT, Failure};

/// What stands above these options in the help. Each names it, since one that is given to all of them
/// together would stand above everything behind them, too.
const HEADING: &str = "XMPP, for a gateway with an address like xmpp:gateway@chat.example";

/// The owner's account, for a gateway that is reached over XMPP.
#[derive(Args, Debug)]
pub(super) struct XmppOptions {
    /// Your XMPP account: name@server.
    #[arg(long, help_heading = HEADING,
          value_name = "JID", value_parser = given::jid, requires = "xmpp_password_file")]
    xmpp_jid: Option<BareJid>,
    /// Its password: the first line of a file that others cannot read.
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "xmpp_jid")]
    xmpp_password_file: Option<PathBuf>,
    /// Where its server is, when DNS does not say.
    #[arg(long, help_heading = HEADING,
          value_name = "HOST:PORT", value_parser = given::server, requires = "xmpp_jid")]
    xmpp_server: Option<(String, u16)>,
    /// Believe only this certificate (or those it signed) of the server: a PEM file.
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "xmpp_jid")]
    xmpp_root_certificate: Option<PathBuf>,
}

impl XmppOptions {
    /// Returns the account, if there is one.
    pub(super) fn account(&self) -> Result<Option<Account>, Failure> {
        let (Some(jid), Some(file)) = (&self.xmpp_jid, &self.xmpp_password_file) else {
            return Ok(None);
        };
        let password =
            Password::read(file).map_err(|error| Failure::new(ACCOUNT, with_cause(&error)))?;
        let roots = match &self.xmpp_root_certificate {
            Some(file) => {
                Roots::read(file).map_err(|error| Failure::new(ACCOUNT, with_cause(&error)))?
            }
            None => Roots::System,
        };
        let (jid, server) = (jid.clone(), self.xmpp_server.clone());
        Ok(Some(Account::new(Login { jid, password, server, roots })))
    }
}

/// Says an error with what is behind it, as a sentence.
fn with_cause(error: &dyn std::error::Error) -> String {
    let text = match error.source() {
        Some(cause) => format!("{error}: {cause}."),
        None => format!("{error}."),
    };
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
