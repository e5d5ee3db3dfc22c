//! A gateway's own TLS, where no web server in front does it: for its port for Petrichor.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

use crate::tls::PETRICHOR_ALPN;

/// A certificate with its key, ready to answer TLS. It is read once: a new one needs a new start.
#[derive(Clone)]
pub struct Certificate(TlsAcceptor);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read, or is not in the form PEM.
    #[error("cannot read {0}")]
    Unreadable(PathBuf, #[source] pem::Error),
    /// The file has no certificate in it.
    #[error("there is no certificate in {0}")]
    Empty(PathBuf),
    /// The key is not the certificate's, or of a kind that is not understood.
    #[error("the key does not fit the certificate, or is of an unknown kind")]
    Unfit(#[source] rustls::Error),
}

/// Reads the certificates in a PEM file; at least one.
pub(crate) fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |error| CertificateError::Unreadable(file.to_owned(), error);
    let certificates = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(CertificateError::Empty(file.to_owned()));
    }
    Ok(certificates)
}

impl Certificate {
    /// Reads a chain of certificates, the server's own first, and its private key, both PEM files.
    ///
    /// # Errors
    /// See [`CertificateError`].
    pub fn read(chain: &Path, key: &Path) -> Result<Self, CertificateError> {
        let certificates = read_chain(chain)?;
        let unreadable = |error| CertificateError::Unreadable(key.to_owned(), error);
        let key = PrivateKeyDer::from_pem_file(key).map_err(unreadable)?;
        Self::new(certificates, key).map_err(CertificateError::Unfit)
    }

    /// Takes a chain of certificates, the server's own first, and its private key.
    ///
    /// # Errors
    /// When the two do not belong together.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // Nobody is lured here who wants to speak something else to a server with this name.
        config.alpn_protocols = vec![PETRICHOR_ALPN.to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Answers the TLS of a connection. The deadline is the caller's.
    ///
    /// # Errors
    /// When the other side does not speak TLS, names only other protocols in it, or does not like the
    /// certificate.
    pub async fn accept(
        &self,
        socket: TcpStream,
    ) -> std::io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
        self.0.accept(socket).await
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}
