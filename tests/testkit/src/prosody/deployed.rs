//! The configuration in `deploy/xmpp`, on a server of a test.

use std::path::Path;

use anyhow::ensure;

use super::{PLUGIN_NAME, Ports};

/// What operators get.
const CONFIGURATION: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/xmpp/prosody.cfg.lua"));

/// Its domain.
pub(super) const HOST: &str = "chat.example";

/// Returns it for this folder and these ports of this computer. Places and ports are other ones,
/// everything that decides who may do what how fast is as it stands there.
pub(super) fn text(place: &Path, ports: Ports, settings: &str) -> anyhow::Result<String> {
    let Ports { clients, clients_in_tls, servers } = ports;
    let quoted = |name: &str| format!("\"{}\"", place.join(name).display());
    let host = format!("VirtualHost \"{HOST}\"");
    let changes = [
        ("modules_enabled = {", format!("modules_enabled = {{ \"{PLUGIN_NAME}\";")),
        ("{ \"*\", \"::\" }", "{ \"127.0.0.1\" }".to_owned()),
        ("{ 5222 }", format!("{{ {clients} }}")),
        ("{ 5223 }", format!("{{ {clients_in_tls} }}")),
        ("{ 5269 }", format!("{{ {servers} }}")),
        ("\"/etc/prosody/certs\"", quoted("certificates")),
        ("\"/var/lib/prosody\"", quoted("data")),
        ("\"/run/prosody/prosody.pid\"", quoted("pid")),
        (
            "{ info = \"/var/log/prosody/prosody.log\"; error = \"/var/log/prosody/prosody.err\" }",
            "{ { to = \"console\"; levels = { min = \"info\" } } }".to_owned(),
        ),
        (&host, format!("{settings}\n{host}")),
    ];
    let mut text = CONFIGURATION.to_owned();
    for (theirs, ours) in changes {
        let found = text.matches(theirs).count();
        ensure!(found == 1, "deploy/xmpp/prosody.cfg.lua says `{theirs}` {found} times, not once");
        text = text.replace(theirs, &ours);
    }
    Ok(format!(
        "run_as_root = true\nplugin_paths = {{ {} }}\nneighbours = {}\n{text}",
        quoted("plugins"),
        quoted("neighbours")
    ))
}
