use super::DocumentError;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Writes to a temporary name beside `path`, syncs, renames: a reader sees the old file or the new one, never half.
///
/// The permissions of a file that is replaced are kept; a new one gets what the umask leaves. A link is followed, so
/// that what it points to is replaced and the link stays. What is no regular file (a device, a pipe) cannot be renamed
/// over and is written to as it is.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), DocumentError> {
    write_beside(path, bytes).map_err(|source| DocumentError::write(path, source))
}

/// Writes a folder of files: all into a temporary folder beside `folder` first, so that a failure leaves nothing
/// half. A new folder then takes its name at once; into one that is there already the files are moved one by one,
/// replacing those of the same name and leaving the rest.
pub fn write_folder_atomically(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), DocumentError> {
    write_folder_beside(folder, files).map_err(|source| DocumentError::write(folder, source))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let existing = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => return write_to_device(path, bytes),
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let target = if existing.is_some() {
        fs::canonicalize(path)?
    } else {
        path.to_path_buf()
    };
    let folder = parent_folder(&target);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".softscope-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(&folder)?;
    file.write_all(bytes)?;
    if let Some(metadata) = existing {
        file.as_file().set_permissions(metadata.permissions())?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|error| error.error)?;
    sync_folder(&folder);
    Ok(())
}

fn write_to_device(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)?;
    file.flush()
}

fn write_folder_beside(folder: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let parent = parent_folder(folder);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".softscope-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    let staging = builder.tempdir_in(&parent)?;
    for (name, bytes) in files {
        let mut file = File::create(staging.path().join(name))?;
        file.write_all(bytes)?;
        file.sync_all()?;
    }
    match fs::metadata(folder) {
        Ok(metadata) if !metadata.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
        Ok(_) => {
            for (name, _) in files {
                fs::rename(staging.path().join(name), folder.join(name))?;
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::rename(staging.path(), folder)?;
            // It has its own name now; there is nothing left to clean up.
            let _ = staging.keep();
        }
        Err(error) => return Err(error),
    }
    sync_folder(&parent);
    Ok(())
}

/// The folder a file lies in; the current one for a bare name.
fn parent_folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Makes a rename last through a power cut where the system can; the file itself is written and synced already, so a
/// file system that cannot sync folders is no failure.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(handle) = File::open(folder) {
        let _ = handle.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_a_file_and_leaves_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_atomically(&path, b"old").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_path_through_a_file_names_the_path_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, b"kept").unwrap();
        let error = write_atomically(&file.join("below.png"), b"x")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("below.png") && error.contains("choose another folder"),
            "{error}"
        );
        assert_eq!(fs::read(&file).unwrap(), b"kept");
        let missing = write_atomically(&folder.path().join("no/where.png"), b"x")
            .unwrap_err()
            .to_string();
        assert!(missing.contains("make the folder first"), "{missing}");
        assert!(
            write_atomically(folder.path(), b"x")
                .unwrap_err()
                .to_string()
                .contains("is a folder")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told_and_the_device_survives() {
        use std::os::unix::fs::FileTypeExt;
        let full = Path::new("/dev/full");
        let error = write_atomically(full, &[0; 4096]).unwrap_err().to_string();
        assert!(error.contains("free some space"), "{error}");
        assert!(fs::metadata(full).unwrap().file_type().is_char_device());
    }

    #[cfg(unix)]
    #[test]
    fn keeps_permissions_and_links() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("real");
        write_atomically(&path, b"1").unwrap();
        assert_ne!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o444,
            0o400,
            "readable as by umask"
        );
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write_atomically(&link, b"2").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("frames");
        let files = vec![("0.png".to_owned(), vec![0]), ("1.png".to_owned(), vec![1])];
        write_folder_atomically(&folder, &files).unwrap();
        assert_eq!(fs::read(folder.join("1.png")).unwrap(), [1]);
        fs::write(folder.join("mine.txt"), "kept").unwrap();
        write_folder_atomically(&folder, &files[..1]).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        let bad = vec![("0.png".to_owned(), vec![9]), ("no/such.png".to_owned(), vec![9])];
        assert!(write_folder_atomically(&base.path().join("other"), &bad).is_err());
        assert_eq!(
            fs::read_dir(base.path()).unwrap().count(),
            1,
            "nothing left behind"
        );
    }
}
