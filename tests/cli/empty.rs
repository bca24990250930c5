//! No observations: an empty result, and success.

use crate::folder::Folder;

#[test]
fn no_observations_give_no_codes() {
    let folder = Folder::with_network();
    folder.fixture("no_rows.npy");
    folder.succeeds(&["generate", "net.safetensors", "no_rows.npy", "-o", "x.npy"]);
    assert_eq!(unrelu::read_npy(folder.path("x.npy")).unwrap().ncols(), 0);
    for method in ["linf", "best", "descent"] {
        let run =
            ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--force", "--device", "cpu", "--method", method];
        let output = folder.run(&[&run[..], &["--report", "r.csv"]].concat());
        assert!(output.status.success(), "{method}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("0 observations: 0 ") && !said.contains("NaN"), "{said}");
        let codes = unrelu::read_npy(folder.path("z.npy")).unwrap();
        assert_eq!(codes.shape(), (3, 0));
        let report = String::from_utf8(folder.bytes("r.csv")).unwrap();
        assert!(report.starts_with("index,") && report.lines().count() == 1, "{report}");
    }
    let again =
        ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--resume", "--method", "descent", "--device", "cpu"];
    folder.succeeds(&[&again[..], &["--report", "r.csv"]].concat());
    folder.succeeds(&[
        "recover",
        "net.safetensors",
        "x.npy",
        "-o",
        "y.npy",
        "--device",
        "cpu",
        "--truth",
        "no_rows.npy",
    ]);
    folder.succeeds(&["invert", "net.safetensors", "x.npy", "-o", "a.npy", "--shard", "1/1", "--device", "cpu"]);
    folder.succeeds(&["merge", "-o", "m.npy", "a.npy"]);
    assert_eq!(folder.bytes("m.npy"), folder.bytes("a.npy"));
}
