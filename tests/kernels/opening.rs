//! The choice of a run's device.

use std::str::FromStr;

use unrelu::internals::device::{Request, open};
use unrelu::{Activation, Backend, DeviceChoice, Error, list_adapters};

use crate::fixtures::network;

#[test]
fn choices_are_read_as_they_are_written() {
    for choice in [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Gpu] {
        assert_eq!(DeviceChoice::from_str(&choice.to_string()), Ok(choice));
    }
    assert!(DeviceChoice::from_str("cuda").unwrap_err().contains("auto, cpu or gpu"));
}

fn request(choice: DeviceChoice, adapter: Option<&str>) -> Request<'_> {
    Request { choice, adapter, ..Request::default() }
}

#[test]
fn the_cpu_is_always_there_and_excludes_an_adapter() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, &request(DeviceChoice::Cpu, None)).unwrap();
    assert!(opened.device.description().starts_with("CPU") && opened.notice.is_none());
    let with_name = request(DeviceChoice::Cpu, Some("x"));
    let with_backend = Request { backend: Some(Backend::Vulkan), ..request(DeviceChoice::Cpu, None) };
    for (request, field) in [(with_name, "adapter"), (with_backend, "backend")] {
        let error = open(&network, &request).err().unwrap();
        assert!(matches!(&error, Error::BadOption { option, .. } if option == field), "{error}");
    }
}

#[test]
fn auto_takes_hardware_for_long_work_or_says_that_it_takes_the_cpu() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, &Request { stays_on_device: true, ..Request::default() }).unwrap();
    let hardware = list_adapters().iter().any(|adapter| adapter.hardware);
    assert_eq!(opened.device.description().starts_with("CPU"), !hardware);
    assert!(hardware || opened.notice.is_some());
    assert!(opened.notice.is_none_or(|notice| !notice.contains('\n')));
    // For short work no adapter is looked for.
    let opened = open(&network, &Request::default()).unwrap();
    assert!(opened.device.description().starts_with("CPU") && opened.notice.is_none());
}

#[test]
fn an_adapter_that_is_not_there_is_an_error() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    for choice in [DeviceChoice::Auto, DeviceChoice::Gpu] {
        let error = open(&network, &request(choice, Some("no such adapter"))).err().unwrap();
        assert!(matches!(error, Error::NoDevice(_)) && error.is_usage(), "{error}");
    }
    // No machine has both.
    let missing = |backend| {
        let asked = Request { backend: Some(backend), ..request(DeviceChoice::Gpu, None) };
        open(&network, &asked).err().map(|error| error.to_string())
    };
    let missing: Vec<String> = [Backend::Dx12, Backend::Metal].into_iter().filter_map(missing).collect();
    let says_which = |error: &String| error.contains("no adapter of") || list_adapters().is_empty();
    assert!(!missing.is_empty() && missing.iter().all(says_which), "{missing:?}");
    // A graphics API requests a GPU, as a name does; `auto` without one of them never fails.
    let asked = Request { backend: Some(Backend::Metal), ..Request::default() };
    let has_metal = list_adapters().iter().any(|adapter| adapter.backend == Backend::Metal.to_string());
    assert_eq!(open(&network, &asked).is_ok(), has_metal);
    assert!(open(&network, &Request::default()).is_ok());
}

#[test]
fn gpu_takes_any_adapter_there_is() {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    let opened = open(&network, &request(DeviceChoice::Gpu, None));
    match list_adapters().first() {
        Some(first) => {
            assert!(!opened.unwrap().device.description().starts_with("CPU"));
            let by_backend = Request { backend: first.backend.parse().ok(), ..request(DeviceChoice::Gpu, None) };
            let description = open(&network, &by_backend).unwrap().device.description();
            assert!(description.ends_with(&format!("({})", first.backend)), "{description}");
        }
        None => {
            let error = opened.err().unwrap().to_string();
            assert!(error.contains("mesa-vulkan-drivers") || !cfg!(feature = "gpu"), "{error}");
        }
    }
}
