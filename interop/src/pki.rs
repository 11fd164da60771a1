//! A certificate authority for one lab, and certificates from it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ovsdb::text;
use crate::process::run;

/// A certificate authority in a directory.
#[derive(Debug)]
pub struct Pki {
    dir: PathBuf,
}

/// A private key, its certificate, and the authority's: PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The private key.
    pub key: PathBuf,
    /// The certificate.
    pub certificate: PathBuf,
    /// The certificate of the authority.
    pub ca: PathBuf,
}

impl Pki {
    /// Makes `<dir>/ca.key` and `<dir>/ca.crt`.
    pub fn new(dir: &Path) -> Result<Self> {
        let this = Self {
            dir: dir.to_owned(),
        };
        run(
            "openssl",
            [
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "30",
                "-subj",
                "/CN=lab authority",
                "-keyout",
                &this.file("ca.key"),
                "-out",
                &this.file("ca.crt"),
            ],
        )?;
        Ok(this)
    }

    /// Issues a certificate for `name`, localhost, 127.0.0.1 and ::1. The same name again replaces the files.
    pub fn issue(&self, name: &str) -> Result<Identity> {
        let [key, crt, csr, ext] =
            ["key", "crt", "csr", "ext"].map(|e| self.file(&format!("{name}.{e}")));
        std::fs::write(
            &ext,
            format!("subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1,IP:::1\n"),
        )?;
        run(
            "openssl",
            [
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                &format!("/CN={name}"),
                "-keyout",
                &key,
                "-out",
                &csr,
            ],
        )?;
        run(
            "openssl",
            [
                "x509",
                "-req",
                "-in",
                &csr,
                "-CA",
                &self.file("ca.crt"),
                "-CAkey",
                &self.file("ca.key"),
                "-CAcreateserial",
                "-days",
                "30",
                "-extfile",
                &ext,
                "-out",
                &crt,
            ],
        )?;
        Ok(Identity {
            key: key.into(),
            certificate: crt.into(),
            ca: self.dir.join("ca.crt"),
        })
    }

    fn file(&self, name: &str) -> String {
        text(&self.dir.join(name))
    }
}
