//! Certificates for one test, made by the `openssl` program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// An authority and the certificates that it has signed.
pub struct Certificates {
    directory: tempfile::TempDir,
}

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug)]
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        openssl(
            directory.path(),
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key \
             -out ca.pem -days 30 \
             -subj /CN=test-authority -addext basicConstraints=critical,CA:TRUE -addext \
             keyUsage=keyCertSign",
        );
        Self { directory }
    }

    /// The authority's own certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate with these subject alternative names, such as `DNS:localhost,IP:127.0.0.1`.
    pub fn signed(&self, name: &str, alternative_names: &str, days: i32) -> Pair {
        self.signed_for(name, alternative_names, days, "serverAuth")
    }

    /// The same with another extended key usage.
    pub fn signed_for(&self, name: &str, alternative_names: &str, days: i32, usage: &str) -> Pair {
        self.request(name, alternative_names, usage, EC);
        self.sign(name, days)
    }

    /// A certificate with a key of RSA.
    pub fn signed_with_rsa(&self, name: &str, alternative_names: &str, days: i32) -> Pair {
        self.request(name, alternative_names, "serverAuth", "rsa:2048");
        self.sign(name, days)
    }

    fn sign(&self, name: &str, days: i32) -> Pair {
        openssl(
            self.directory.path(),
            &format!(
                "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out \
                 {name}.pem -days {days} -extfile {name}.ext"
            ),
        );
        self.pair(name)
    }

    /// A certificate that is valid between two times, written `YYYYMMDDHHMMSSZ`.
    pub fn signed_between(
        &self,
        name: &str,
        alternative_names: &str,
        from: &str,
        to: &str,
    ) -> Pair {
        self.request(name, alternative_names, "serverAuth", EC);
        let path = self.directory.path();
        std::fs::write(
            path.join("ca.cnf"),
            "[ca]\ndefault_ca=it\n[it]\ndatabase=index\nnew_certs_dir=.\nrand_serial=yes\n\
             certificate=ca.pem\n\
             private_key=ca.key\npolicy=any\ndefault_md=sha256\n[any]\ncommonName=supplied\n",
        )
        .unwrap();
        std::fs::write(path.join("index"), "").unwrap();
        openssl(
            path,
            &format!(
                "ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.pem -startdate \
                 {from} -enddate {to} -extfile {name}.ext"
            ),
        );
        self.pair(name)
    }

    /// A self-signed certificate.
    pub fn self_signed(&self, name: &str, alternative_names: &str) -> Pair {
        self.self_signed_as(name, &format!("/CN={name}"), alternative_names)
    }

    /// The same with this subject, such as `/O=Acme/CN=pop`.
    pub fn self_signed_as(&self, name: &str, subject: &str, alternative_names: &str) -> Pair {
        openssl(
            self.directory.path(),
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout \
                 {name}.key -out {name}.pem -days 30 \
                 -subj {subject} -addext subjectAltName={alternative_names}"
            ),
        );
        self.pair(name)
    }

    /// A certificate in which one sequence of octets is replaced by another of the same length,
    /// signed again with a key. `openssl` would not create it.
    pub fn altered(&self, pair: &Pair, signer: &Path, from: &[u8], to: &[u8]) -> Pair {
        assert_eq!(from.len(), to.len(), "lengths would change");
        let path = self.directory.path();
        let (old, new) = (pair.certificate.display(), "altered");
        openssl(path, &format!("x509 -in {old} -outform DER -out {new}.der"));
        let der = std::fs::read(path.join("altered.der")).unwrap();
        // RFC 5280 section 4.1: the signed part, the algorithm, and the signature.
        let inside = &der[header(&der)..];
        let (signed, rest) = inside.split_at(whole(inside));
        let algorithm = &rest[..whole(rest)];
        let mut signed = signed.to_vec();
        let mut changed = false;
        for at in 0..=signed.len() - from.len() {
            if signed[at..].starts_with(from) {
                signed[at..at + to.len()].copy_from_slice(to);
                changed = true;
            }
        }
        assert!(changed, "nothing to alter");
        std::fs::write(path.join("altered.tbs"), &signed).unwrap();
        let key = signer.display();
        openssl(
            path,
            &format!("dgst -sha256 -sign {key} -out {new}.sig {new}.tbs"),
        );
        let signature = std::fs::read(path.join("altered.sig")).unwrap();
        let signature = element(0x03, &[&[0], &signature[..]].concat());
        let der = element(0x30, &[&signed, algorithm, &signature].concat());
        std::fs::write(path.join("altered.der"), der).unwrap();
        openssl(
            path,
            &format!("x509 -inform DER -in {new}.der -out {new}.pem"),
        );
        Pair {
            certificate: path.join("altered.pem"),
            key: pair.key.clone(),
        }
    }

    /// The authority's key.
    pub fn authority_key(&self) -> PathBuf {
        self.directory.path().join("ca.key")
    }

    /// A key, a request to sign it, and the extensions to sign it with.
    fn request(&self, name: &str, alternative_names: &str, usage: &str, key: &str) {
        let path = self.directory.path();
        std::fs::write(
            path.join(format!("{name}.ext")),
            format!("subjectAltName={alternative_names}\nextendedKeyUsage={usage}\n"),
        )
        .unwrap();
        openssl(
            path,
            &format!(
                "req -newkey {key} -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ),
        );
    }

    /// SHA-256 of a certificate in DER, in the format of `openssl`.
    pub fn fingerprint(pair: &Pair) -> String {
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
            .arg(&pair.certificate)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().split_once('=').unwrap().1.to_owned()
    }

    /// A certificate that was created before.
    pub fn pair(&self, name: &str) -> Pair {
        let path = self.directory.path();
        Pair {
            certificate: path.join(format!("{name}.pem")),
            key: path.join(format!("{name}.key")),
        }
    }
}

/// The number of octets of tag and length of an element of DER.
fn header(der: &[u8]) -> usize {
    match der[1] {
        long if long >= 0x80 => 2 + usize::from(long & 0x7F),
        _ => 2,
    }
}

/// The number of octets of an element, including its tag and length.
fn whole(der: &[u8]) -> usize {
    let header = header(der);
    let length = match header {
        2 => usize::from(der[1]),
        _ => der[2..header]
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet)),
    };
    header + length
}

/// An element of DER.
fn element(tag: u8, octets: &[u8]) -> Vec<u8> {
    let length = octets.len().to_be_bytes();
    let mut element = vec![tag];
    if octets.len() < 0x80 {
        element.push(octets.len() as u8);
    } else {
        let zeros = length.iter().take_while(|octet| **octet == 0).count();
        element.push(0x80 | (length.len() - zeros) as u8);
        element.extend_from_slice(&length[zeros..]);
    }
    element.extend_from_slice(octets);
    element
}

fn openssl(directory: &Path, words: &str) {
    let output = Command::new("openssl")
        .args(words.split_whitespace())
        .current_dir(directory)
        .output();
    let output = output
        .unwrap_or_else(|error| panic!("openssl is missing ({error}): run contrib/setup test"));
    assert!(
        output.status.success(),
        "openssl {words}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// How a key on a curve is asked for.
const EC: &str = "ec -pkeyopt ec_paramgen_curve:prime256v1";
