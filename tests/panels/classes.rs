//! The panels on models whose tokens are no mixtures: what each class shows, and its own ways to edit.

use crate::bench::*;
use crate::support::Golden;
use egui::vec2;
use egui_kittest::SnapshotOptions;
use egui_kittest::kittest::Queryable as _;
use softscope::analysis::TokenQuantity;
use softscope::latent::{Edit, GaussianRow};

fn of_class(set: &str) -> Option<Panels> {
    let golden = Golden::tiny(set)?;
    Some(panels_with((golden.files.clone(), Some(golden)), 1))
}

#[test]
fn a_vq_token_shows_its_codeword_and_takes_another() {
    let Some(mut panels) = of_class("a5_vq16_vit") else {
        return;
    };
    select(&mut panels, 3);
    let state = panels.state().original();
    let own = state.codeword(3).unwrap();
    panels.get_by_label("this token is");
    let space = panels.state().workspace.model().unwrap().space.clone();
    let h = state.h_row(3).unwrap();
    let nearest = softscope::analysis::nearest_codewords(space.codebook().unwrap(), 0, h, 4);
    assert_eq!(nearest[0].0, own);
    assert!(is_selected(&panels.get_by_role_and_label(
        egui::accesskit::Role::Button,
        &format!("codeword {own}")
    )));

    let (second, _) = nearest[1];
    let before = panels.state().pixels();
    press(&mut panels, &format!("codeword {second}"));
    assert_eq!(panels.state().state().codeword(3), Some(second));
    assert_ne!(panels.state().pixels().as_bytes(), before.as_bytes());
    let applied = panels.state().applied();
    assert!(
        matches!(&applied[..], [Edit::SetWeights { token: 3, .. }]),
        "{applied:?}"
    );

    // Values off the codebook come back to the nearest codeword.
    let edit = Edit::SetValue {
        token: 3,
        dim: 0,
        value: state.z.row(3)[0] + 0.4,
    };
    panels.state_mut().workspace.edit(edit);
    settle(&mut panels);
    assert_eq!(panels.state().state().codeword(3), None);
    press(&mut panels, "Put the nearest in its place");
    assert!(panels.state().state().codeword(3).is_some());
    assert!(
        panels.query_by_label("tau").is_none(),
        "no temperature without mixtures"
    );
}

#[test]
fn a_kl_token_shows_its_distribution_and_is_sampled_in_one_step() {
    let Some(mut panels) = of_class("a4_kl16_vit") else {
        return;
    };
    select(&mut panels, 2);
    panels.get_by_label("distribution of token 2");
    panels.get_by_label("deviation");
    let mean = GaussianRow::behind(&panels.state().original(), 2).unwrap().mean;
    assert_eq!(panels.state().state().z.row(2), mean);

    grab(&mut panels, "sample", vec2(60.0, 0.0));
    assert!(
        panels.state().applied().is_empty(),
        "no step before the hand lets go"
    );
    assert_ne!(
        panels.state().state().z.row(2),
        mean,
        "the tokens follow the hand"
    );
    let end = panels.get_by_label("sample").rect().center() + vec2(60.0, 0.0);
    panels.drop_at(end);
    settle(&mut panels);
    let [Edit::Sample { tokens, amount, seed }] = &panels.state().applied()[..] else {
        panic!("one step was expected: {:?}", panels.state().applied());
    };
    assert_eq!((&tokens[..], *seed), (&[2][..], 1));
    assert!(close(numeric_value(&panels, "sample"), *amount, 1e-6) && *amount > 0.0);

    let first = panels.state().state();
    press(&mut panels, "Resample");
    assert_eq!(
        panels.state().applied().len(),
        1,
        "another draw replaces the sample"
    );
    assert_ne!(panels.state().state().z.row(2), first.z.row(2));
    panels.state_mut().workspace.undo();
    settle(&mut panels);
    assert_eq!(panels.state().state().z.row(2), mean);
    assert!(close(numeric_value(&panels, "sample"), 0.0, 1e-6));
}

#[test]
fn an_ae_token_shows_its_values_alone() {
    let Some(mut panels) = of_class("a6c_ae_movq_ape") else {
        return;
    };
    select(&mut panels, 1);
    panels.get_by_label("values of token 1");
    for absent in [
        "tau",
        "sample",
        "Mixture",
        "Codeword",
        "Project",
        "All weights, ranked",
    ] {
        assert!(
            panels.query_by_label(absent).is_none(),
            "{absent} is not of this class"
        );
    }
    press(&mut panels, "Zero");
    assert!(panels.state().state().z.row(1).iter().all(|value| *value == 0.0));
}

#[test]
fn tokens_are_coloured_by_what_their_class_has() {
    for (set, first, others) in [
        (
            "a4_kl16_vit",
            "colour: deviation",
            &["KL", "norm", "moved by"][..],
        ),
        ("a5_vq16_vit", "colour: codeword distance", &["norm", "moved by"]),
        ("a6c_ae_movq_ape", "colour: norm", &["moved by"]),
    ] {
        let Some(mut panels) = of_class(set) else { continue };
        panels.get_by_value(first);
        panels.get_by_label("colour of tokens").click();
        panels.run();
        for other in others {
            panels.get_by_role_and_label(egui::accesskit::Role::Button, other);
        }
        assert!(panels.query_by_label("entropy").is_none(), "{set}");
        assert!(panels.query_by_label("hull distance").is_none(), "{set}");
    }
}

#[test]
fn tokens_without_the_chosen_figure_are_coloured_by_their_norm_and_say_so() {
    let mut panels = panels();
    panels.get_by_value("colour: entropy");
    let tokens = (0..panels.state().state().z.count).collect();
    let edit = Edit::Scale { tokens, factor: 1.5 };
    panels.state_mut().workspace.edit(edit);
    settle(&mut panels);
    panels.get_by_value("entropy not known: norm");
    assert_eq!(panels.state().strip.quantity(), TokenQuantity::Entropy);

    // What was chosen comes back with what it needs.
    panels.state_mut().workspace.undo();
    settle(&mut panels);
    panels.get_by_value("colour: entropy");
}

/// The panels as a picture, with a token selected and an edit made.
fn look(set: &str, name: &str, edit: Edit) {
    let Some(golden) = Golden::tiny(set) else { return };
    let mut panels = drawn_panels((golden.files.clone(), Some(golden)), 1);
    select(&mut panels, 3);
    panels.state_mut().workspace.edit(edit);
    panels.remove_cursor();
    settle(&mut panels);
    // Renderers differ by a shade along edges; a widget that is missing changes more pixels than this.
    panels.snapshot_options(
        name,
        &SnapshotOptions::new().threshold(1.5).max_failed_pixels(120),
    );
}

#[test]
fn the_inspector_of_a_kl_model_looks_right() {
    let edit = Edit::Sample {
        tokens: vec![3],
        amount: 1.0,
        seed: 5,
    };
    look("a4_kl16_vit", "inspector_kl", edit);
}

#[test]
fn the_inspector_of_a_vq_model_looks_right() {
    look("a5_vq16_vit", "inspector_vq", Edit::Swap { a: 3, b: 4 });
}

#[test]
fn the_inspector_of_an_ae_model_looks_right() {
    let edit = Edit::Scale {
        tokens: vec![3, 5],
        factor: 0.5,
    };
    look("a6c_ae_movq_ape", "inspector_ae", edit);
}
