//! TLS of the peer towards a gateway.

/// Which certificates a peer believes.
#[derive(Clone, Debug, Default)]
pub enum Roots {
    /// Those of the operating system.
    #[default]
    System,
    /// Only these, for gateways with a certificate of their own (DER).
    Only(Vec<rustls::pki_types::CertificateDer<'static>>),
}
