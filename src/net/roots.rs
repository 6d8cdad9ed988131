//! The certificates of the system's trusted authorities, parsed once.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use native_tls::Certificate;

use crate::disk::read_regular;
use crate::mail::limits;
use crate::mail::text::Shown;
use crate::net::NetError;

/// The places of the system's roots, as the environment named them when the program began.
#[derive(Clone, Debug)]
pub struct SystemRoots {
    file: Option<PathBuf>,
    directories: Vec<PathBuf>,
    /// The original values of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    environment: [(&'static str, Option<OsString>); 2],
}

impl SystemRoots {
    /// Finds the places of the roots: those in the operator's `SSL_CERT_FILE` and `SSL_CERT_DIR` if
    /// either is set, else the usual places of this system. Reads no certificate.
    pub fn find() -> Self {
        let environment =
            ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, std::env::var_os(name)));
        let [file, directory] = environment
            .clone()
            .map(|(_, value)| value.map(PathBuf::from));
        if file.is_some() || directory.is_some() {
            return Self {
                file,
                // SSL_CERT_DIR may contain several, separated by colons
                // (SSL_CTX_load_verify_locations(3)).
                directories: directory
                    .iter()
                    .flat_map(std::env::split_paths)
                    .filter(|directory| !directory.as_os_str().is_empty())
                    .collect(),
                environment,
            };
        }
        let probed = openssl_probe::probe();
        let directories = if probed.cert_file.is_none() {
            probed.cert_dir
        } else {
            Vec::new()
        };
        Self {
            file: probed.cert_file,
            directories,
            environment,
        }
    }

    /// The two variables as the operator set them; child processes get these.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        self.environment
            .iter()
            .filter_map(|(name, value)| value.as_ref().map(|value| (*name, value)))
    }

    /// The values that `main.rs` sets the two variables to, so that OpenSSL finds nothing to read
    /// for each connection.
    pub const REDIRECTED: [(&'static str, &'static str); 2] = [
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/dev/null"),
    ];
}

/// The system's roots, read at the first connection that needs them and shared from then on.
#[derive(Clone)]
pub struct Roots(Arc<RootsInner>);

struct RootsInner {
    source: SystemRoots,
    certificates: OnceLock<Vec<Certificate>>,
}

impl Roots {
    /// Creates roots that will be read from the places in `source`.
    pub fn new(source: SystemRoots) -> Self {
        Self(Arc::new(RootsInner {
            source,
            certificates: OnceLock::new(),
        }))
    }

    /// The certificates. The first call takes some 30 ms.
    pub(super) fn certificates(&self) -> &[Certificate] {
        if let Some(known) = self.0.certificates.get() {
            return known;
        }
        let read = self.read();
        if read.is_empty() {
            // The next connection tries again to read them.
            return &[];
        }
        self.0.certificates.get_or_init(|| read)
    }

    fn read(&self) -> Vec<Certificate> {
        let source = &self.0.source;
        let mut certificates: Vec<Certificate> = source
            .file
            .iter()
            .flat_map(|path| read_bundle(path).unwrap_or_default())
            .collect();
        for directory in &source.directories {
            let files = std::fs::read_dir(directory).into_iter().flatten().flatten();
            certificates
                .extend(files.flat_map(|file| read_bundle(&file.path()).unwrap_or_default()));
        }
        // A directory contains each certificate twice, under its name and its hash, and each one
        // costs time at every connection.
        let mut known = HashSet::new();
        certificates.retain(|certificate| match certificate.to_der() {
            Ok(der) => known.insert(der),
            Err(_) => true,
        });
        certificates
    }
}

/// All certificates of a PEM file.
///
/// # Errors
/// [`NetError::File`] when the file cannot be read or contains no certificate.
pub(super) fn read_bundle(path: &std::path::Path) -> Result<Vec<Certificate>, NetError> {
    let fault = |words: String| NetError::File {
        path: path.to_owned(),
        words,
    };
    let read = read_regular(path, limits::PEM_FILE_OCTETS_MAX);
    let (pem, _) = read.map_err(|error| fault(error.to_string()))?;
    let certificates = Certificate::stack_from_pem(&pem).map_err(|error| {
        fault(format!(
            "it is not a PEM file of certificates: {}",
            Shown::new(&error.to_string())
        ))
    })?;
    if certificates.is_empty() {
        return Err(fault(
            "it contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)".to_owned(),
        ));
    }
    Ok(certificates)
}
