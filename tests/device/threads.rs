//! A device is one for all threads: what one begins, another finds done.

use crate::support::chosen::{choice, pair};
use crate::support::models::{decode, encoded, open_on};
use softscope::engine::NoControl;
use std::thread;

#[test]
fn a_model_opened_on_one_thread_is_whole_on_another() {
    for name in ["a3_softvq_nol2", "a6_maetok", "a6c_ae_movq_ape"] {
        let Some((golden, here, _)) = pair(name) else {
            continue;
        };
        let z = encoded(&golden, &here).z;
        let expected = decode(&here, &z);
        for _ in 0..4 {
            let elsewhere = thread::spawn(|| open_on(name, choice()).unwrap().1);
            assert_eq!(decode(&elsewhere.join().unwrap(), &z), expected, "{name}");
        }
    }
}

#[test]
fn threads_share_a_model() {
    let (golden, runner, _) = pair("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let expected = decode(&runner, &z);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(decode(&runner, &z), expected);
                }
            });
        }
    });
}

#[test]
fn many_at_once_are_what_each_is_alone() {
    let (golden, runner, _) = pair("a3_softvq_nol2").unwrap();
    let z = encoded(&golden, &runner).z;
    let alone = decode(&runner, &z);
    for picture in runner.decode(&[&z; 9], &NoControl).unwrap() {
        let most = (picture.data.iter().zip(&alone)).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        // Products of other shapes may sum in another order.
        assert!(most < 5e-5, "off by {most}");
    }
    for ahead in runner.decode_ahead(&[&z], &NoControl).unwrap() {
        let most = (ahead.data.iter().zip(&alone)).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(runner.prepare_preview() || most == 0.0, "off by {most}");
    }
}
