use crate::runs::{SMALL, pictures};
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn train(config: &str, data: &str, out: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_softscope"))
        .args([
            "--json", "train", "--config", config, "--data", data, "--out", out,
        ])
        .output()
        .unwrap()
}

#[test]
fn the_command_trains_and_its_model_loads() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("t.toml"), SMALL).unwrap();
    let data = data.path().to_string_lossy().into_owned();
    let done = train(&path("t.toml"), &data, &path("run"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let results: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&results["steps"], &results["is_done"]),
        (&6.into(), &true.into())
    );

    let output = Command::new(env!("CARGO_BIN_EXE_softscope"))
        .args(["--json", "models", "check", &path("run")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    std::fs::write(path("wrong.toml"), "stepz = 3").unwrap();
    let refused = train(&path("wrong.toml"), &data, &path("other"));
    let words = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1));
    assert!(words.contains("stepz") && words.contains("wrong.toml"), "{words}");
    assert!(!folder.path().join("other").exists());
}

#[test]
#[cfg(unix)]
fn ctrl_c_ends_a_run_between_two_steps_and_it_goes_on_from_there() {
    let data = pictures();
    let folder = tempfile::tempdir().unwrap();
    let (config, out) = (folder.path().join("t.toml"), folder.path().join("run"));
    let endless = SMALL.replacen("steps = 6", "steps = 1000000", 1);
    assert_ne!(endless, SMALL);
    std::fs::write(&config, endless).unwrap();
    let arguments = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_softscope"));
        command.arg("--json").arg("train").arg("--config").arg(&config);
        command
            .arg("--data")
            .arg(data.path())
            .arg("--out")
            .arg(&out)
            .args(more);
        command
    };
    let interrupted = |more: &[&str]| {
        let mut run = arguments(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The first line tells what was read: from then on it trains.
        let mut told = String::new();
        BufReader::new(run.stderr.as_mut().unwrap())
            .read_line(&mut told)
            .unwrap();
        let signal = Command::new("kill")
            .arg("-INT")
            .arg(run.id().to_string())
            .status();
        assert!(signal.unwrap().success());
        let ended = run.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{told}");
        let results: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(results["is_done"], false);
        (told, results["steps"].as_u64().unwrap())
    };
    let (_, before) = interrupted(&[]);
    let (told, after) = interrupted(&["--resume"]);
    assert!(told.contains(&format!("{before} steps done before")), "{told}");
    assert!(after >= before);
}
