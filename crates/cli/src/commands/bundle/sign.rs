//! `chancery bundle keygen`, `chancery bundle sign`

use crate::bundle_source;
use crate::commands::definition::report_faults;
use crate::error::CliError;
use crate::exit::Exit;
use crate::input;
use crate::key_file::{self, NewKeyFile};
use crate::output::fields;
use crate::session::Session;
use chancery_app::clock;
use chancery_base::{Digest, Name, Secret};
use chancery_ledger::note::NOTE_BYTES_MAX;
use chancery_shard::trust::{self, KeyName, Note, SigningKey, Subject};
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file of a directory's bundle that has its signatures.
const SIGNATURES: &str = "bundle.sig";

/// Make the key pair of somebody who signs bundles. The private key goes to a file with mode 0600 and is not shown.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle keygen ann@shop.example --out ann.private
  chancery bundle keygen ann --out ann.private -o json | jq -r .public > ann.public")]
pub(crate) struct KeygenArgs {
    /// What the signer is called: no spaces, no `+`.
    name: KeyName,
    /// The new file to write the private key to.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Sign a bundle: a signed note (C2SP signed-note, Ed25519) over its name, version and digest, beside it.
///
/// The bundle is checked and tested first. Signatures of others that are in the file stay; those of another bundle go.
/// A push takes the file along. A bundle that says no version itself is signed as the one that --version-number says,
/// and pushed as that.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  chancery bundle sign policies/ --with ann.private
  chancery bundle sign shop-4.json --with ben.private --out shop-4.sig")]
pub(crate) struct SignArgs {
    /// A directory with a `bundle.yaml`, or one JSON or YAML document.
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// The file with the signer's private key, mode 0600.
    #[arg(long, value_name = "FILE")]
    with: PathBuf,
    /// The file of signatures; else `bundle.sig` in the directory, or the file's name and `.sig`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Its version, where it says none itself.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version_number: Option<u32>,
}

/// What `keygen -o json` writes.
#[derive(Debug, Serialize)]
struct Made {
    name: String,
    public: String,
    private_file: PathBuf,
}

/// What `sign -o json` writes.
#[derive(Debug, Serialize)]
struct Signed {
    name: Name,
    version: u64,
    digest: Digest,
    signer: String,
    signatures: usize,
    file: PathBuf,
}

pub(super) fn keygen(args: KeygenArgs, session: &Session) -> Result<Exit, CliError> {
    let file = NewKeyFile::create(&args.out)?;
    let seed = clock::random_bytes().map_err(chancery_app::Error::from)?;
    let key = SigningKey::from_seed(args.name, &seed);
    file.write(&key.to_secret())?;
    let made = Made { name: key.name().to_string(), public: key.verifier().to_string(), private_file: args.out };
    session.out.show(&made, |made| {
        fields([
            ("name", Some(made.name.clone())),
            ("public", Some(made.public.clone())),
            ("private", Some(made.private_file.display().to_string())),
        ])
    })?;
    Ok(Exit::Ok)
}

pub(super) fn sign(args: &SignArgs, session: &Session) -> Result<Exit, CliError> {
    let source = match bundle_source::read(&args.path) {
        Ok(source) => source,
        Err(error) => return report_faults(session, error),
    };
    let version = super::build::version(&source, args.version_number)?;
    let (bundle, _) = match source.check_tested(version) {
        Ok(checked) => checked,
        Err(error) => return report_faults(session, error),
    };
    let key = Secret::new(key_file::read_private(&args.with)?.expose().trim().to_owned());
    let key = SigningKey::from_secret(&key).map_err(|error| CliError::faulty(&args.with, error.to_string()))?;
    let file = args.out.clone().unwrap_or_else(|| beside(&args.path));
    let subject = Subject::from(&bundle);
    let note = trust::sign(subject, &key).map_err(|error| CliError::Usage(error.to_string()))?;
    let before = read(&file)?.filter(|before| before.text() == note.text());
    let lines = trust::united(&before.as_ref().map(trust::lines).unwrap_or_default(), &trust::lines(&note));
    let text = format!("{}\n{lines}", note.text());
    std::fs::write(&file, text).map_err(|source| CliError::Write { path: file.clone(), source })?;
    let signed = Signed {
        name: bundle.name().clone(),
        version: bundle.version(),
        digest: bundle.digest(),
        signer: key.name().to_string(),
        signatures: lines.lines().count(),
        file,
    };
    session.out.show(&signed, |signed| {
        let Signed { name, version, digest, signer, signatures, file } = signed;
        format!("{name} {version} is signed by {signer}, one of {signatures}: {digest} in {}", file.display())
    })?;
    Ok(Exit::Ok)
}

/// The file of signatures that belongs to a directory or a file.
pub(super) fn beside(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.join(SIGNATURES);
    }
    let mut name = OsString::from(path);
    name.push(".sig");
    PathBuf::from(name)
}

/// The signatures of a file; none if there is no such file.
pub(super) fn read(file: &Path) -> Result<Option<Note>, CliError> {
    if !file.exists() {
        return Ok(None);
    }
    let bytes = input::read(file, NOTE_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| CliError::faulty(file, error.to_string()))?;
    Note::parse(&text).map(Some).map_err(|error| CliError::faulty(file, error.to_string()))
}
