//! What the command line says of the gateway's XMPP account.

use std::path::PathBuf;

use anyhow::Context as _;
use carriers::{
    tls::Roots,
    xmpp::{Login, Password, given},
};
use clap::{Args, ValueEnum};
use crosstalk::xmpp::BareJid;
use gateway::{XmppAccount, XmppAdmission, XmppAdmit};

/// The gateway's XMPP account.
#[derive(Args, Debug)]
pub(crate) struct XmppOptions {
    /// Be reached over XMPP, too, as this account of the gateway's own: name@server. Peers need an
    /// account on any server, and no way to this computer. Nothing but a client's connection is
    /// made from here.
    #[arg(long, help_heading = "XMPP",
          value_name = "JID", value_parser = given::jid, requires = "xmpp_password_file")]
    xmpp_jid: Option<BareJid>,

    /// The account's password: the first line of a file that others cannot read.
    #[arg(long, help_heading = "XMPP", value_name = "FILE", requires = "xmpp_jid")]
    xmpp_password_file: Option<PathBuf>,

    /// Where the account's server is, when DNS does not say. Without TLS only on this computer.
    #[arg(long, help_heading = "XMPP",
          value_name = "HOST:PORT", value_parser = given::server, requires = "xmpp_jid")]
    xmpp_server: Option<(String, u16)>,

    /// Who may publish, besides the contacts in the account's roster, which any chat program can
    /// add.
    #[arg(long, help_heading = "XMPP", value_name = "WHO", value_enum, default_value_t = Who::List,
          requires = "xmpp_jid")]
    xmpp_admit: Who,

    /// Who may publish: a file with one account (anna@chat.example) or server (chat.example) a line.
    /// A line that begins with ! says who may never. It is read again when it changes.
    #[arg(long, help_heading = "XMPP", value_name = "FILE", requires = "xmpp_jid")]
    xmpp_allow: Option<PathBuf>,

    /// Codes for --xmpp-admit invite: a file with one a line, of 8 to 64 letters, digits, - and _.
    /// Each lets one account in, which is remembered. It is read again when it changes. People get
    /// xmpp:JID?invite=CODE as the gateway's address.
    #[arg(
        long,
        help_heading = "XMPP",
        value_name = "FILE",
        required_if_eq("xmpp_admit", "invite")
    )]
    xmpp_invites: Option<PathBuf>,

    /// Believe only this certificate (or those it signed) of the server: a PEM file. If left out, those
    /// that the system believes.
    #[arg(long, help_heading = "XMPP", value_name = "FILE", requires = "xmpp_jid")]
    xmpp_root_certificate: Option<PathBuf>,
}

/// Who may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Who stands in --xmpp-allow.
    List,
    /// Those, and who brings a code of --xmpp-invites that nobody used before.
    Invite,
    /// Everybody, except for who stands in --xmpp-allow with a !.
    Open,
}

impl XmppOptions {
    /// Returns the account, if there is one.
    pub(crate) fn account(&self) -> anyhow::Result<Option<XmppAccount>> {
        let (Some(jid), Some(file)) = (&self.xmpp_jid, &self.xmpp_password_file) else {
            return Ok(None);
        };
        let roots = match &self.xmpp_root_certificate {
            Some(file) => Roots::read(file)?,
            None => Roots::System,
        };
        let admit = match self.xmpp_admit {
            Who::List => XmppAdmit::List,
            Who::Invite => XmppAdmit::Invite,
            Who::Open => XmppAdmit::Open,
        };
        if self.xmpp_invites.is_some() && admit != XmppAdmit::Invite {
            anyhow::bail!("--xmpp-invites is for --xmpp-admit invite");
        }
        let login = Login {
            jid: jid.clone(),
            password: Password::read(file).context("there is no password for --xmpp-jid")?,
            server: self.xmpp_server.clone(),
            roots,
        };
        let admission = XmppAdmission {
            admit,
            allow: self.xmpp_allow.clone(),
            invites: self.xmpp_invites.clone(),
        };
        Ok(Some(XmppAccount { login, admission }))
    }
}
