//! Tries whether an XMPP account works, and whether a gateway can be reached by it.

use std::time::Duration;

use carriers::xmpp::Account;
use crosstalk::address::Invitation;
use peer::AccountStep;
use tokio::time::timeout;

use crate::{
    view::{AccountTrouble, TestState, TestStep},
    words::Words,
};

/// How long each half of a try may take, the account's and the gateway's. On a server that throttles
/// its users each takes several seconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(40);

/// Logs in, and asks the gateway if there is one; tells each state before the last.
///
/// Where the gateway wants an invitation, it is used up by this: the gateway knows the account then.
pub(crate) async fn run(
    account: &Account,
    gateway: Option<&Invitation>,
    words: Words,
    tell: impl Fn(TestState),
) -> TestState {
    tell(TestState::Running { step: TestStep::Server });
    // Alone first, so that the owner sees how far it is, and a wrong password is not the gateway's.
    if let Err(failed) = half(account, None, TestStep::Server, words).await {
        return failed;
    }
    if gateway.is_some() {
        tell(TestState::Running { step: TestStep::Gateway });
        if let Err(failed) = half(account, gateway, TestStep::Gateway, words).await {
            return failed;
        }
    }
    TestState::Works
}

async fn half(
    account: &Account,
    gateway: Option<&Invitation>,
    step: TestStep,
    words: Words,
) -> Result<(), TestState> {
    match timeout(CHECK_TIMEOUT, peer::test_account(account, gateway)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(trouble)) => Err(failed(&trouble, words)),
        Err(_) => Err(TestState::Failed {
            step,
            trouble: AccountTrouble::Other,
            sentence: words.too_late(),
        }),
    }
}

fn failed(trouble: &peer::AccountTrouble, words: Words) -> TestState {
    let (step, kind) = match trouble.step {
        AccountStep::Name => (TestStep::Server, AccountTrouble::NoServer),
        AccountStep::Network => (TestStep::Server, AccountTrouble::Unreachable),
        AccountStep::Server => (TestStep::Server, AccountTrouble::NotXmpp),
        AccountStep::Encryption => (TestStep::Encryption, AccountTrouble::NoEncryption),
        AccountStep::Certificate => (TestStep::Encryption, AccountTrouble::Certificate),
        AccountStep::Password => (TestStep::Password, AccountTrouble::Password),
        AccountStep::Login => (TestStep::Password, AccountTrouble::Other),
        AccountStep::GatewayOffline => (TestStep::Gateway, AccountTrouble::GatewayAway),
        AccountStep::NotAGateway => (TestStep::Gateway, AccountTrouble::NotAGateway),
        AccountStep::NotAdmitted => (TestStep::Admission, AccountTrouble::NotAdmitted),
        AccountStep::Gateway => (TestStep::Admission, AccountTrouble::Other),
    };
    TestState::Failed { step, trouble: kind, sentence: words.link_fault(&trouble.fault) }
}
