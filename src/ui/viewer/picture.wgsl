// One picture area: a picture, two pictures with a divider, or their difference in false colour.
// All colours are gamma-encoded, as the pictures' bytes are: what is shown of one picture is its bytes, unchanged.

struct Scene {
    // Corner and size of the pictures' place, in physical pixels of the screen.
    origin: vec2<f32>,
    extent: vec2<f32>,
    // Where the second picture begins, in physical pixels from the left of the screen.
    divider: f32,
    // Differences are multiplied by this.
    gain: f32,
    mode: u32,
    // Bit 0: the heat map lies over the first picture; bit 1: over the second.
    heat_on: u32,
    // Samples per axis and screen pixel, more than 1 where the picture is reduced.
    taps: u32,
    // 1 where the target converts from linear to sRGB by itself.
    linear_target: u32,
    padding: vec2<u32>,
};

const MODE_DIFFERENCE: u32 = 1u;
const MODE_SIGNED_DIFFERENCE: u32 = 2u;
const ROW_MAGNITUDE: i32 = 0;
const ROW_SIGNED: i32 = 1;
const HEAT_OPACITY: f32 = 0.5;

@group(0) @binding(0) var<uniform> scene: Scene;
@group(0) @binding(1) var first: texture_2d<f32>;
@group(0) @binding(2) var second: texture_2d<f32>;
@group(0) @binding(3) var heat: texture_2d<f32>;
@group(0) @binding(4) var maps: texture_2d<f32>;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> @builtin(position) vec4<f32> {
    // One triangle that covers the viewport.
    let corner = vec2<f32>(f32((index << 1u) & 2u), f32(index & 2u));
    return vec4<f32>(corner * 2.0 - 1.0, 0.0, 1.0);
}

fn texel(image: texture_2d<f32>, at: vec2<i32>) -> vec4<f32> {
    let last = vec2<i32>(textureDimensions(image)) - 1;
    return textureLoad(image, clamp(at, vec2<i32>(0), last), 0);
}

// Bilinear by hand: samplers differ from driver to driver, and not all hit a texel's value exactly at its middle.
fn bilinear(image: texture_2d<f32>, position: vec2<f32>) -> vec4<f32> {
    let corner = floor(position - 0.5);
    let part = position - 0.5 - corner;
    let at = vec2<i32>(corner);
    let top = mix(texel(image, at), texel(image, at + vec2<i32>(1, 0)), part.x);
    let bottom = mix(texel(image, at + vec2<i32>(0, 1)), texel(image, at + vec2<i32>(1, 1)), part.x);
    return mix(top, bottom, part.y);
}

// Linear where reduced. Where magnified every texel is a flat square, its rim blended over one screen pixel so that
// squares look alike at any zoom.
fn colour_at(image: texture_2d<f32>, unit: vec2<f32>) -> vec3<f32> {
    let size = vec2<f32>(textureDimensions(image));
    let position = unit * size;
    let seam = floor(position + 0.5);
    let pixels_per_texel = max(scene.extent / size, vec2<f32>(1.0));
    let sharp = seam + clamp((position - seam) * pixels_per_texel, vec2<f32>(-0.5), vec2<f32>(0.5));
    return bilinear(image, sharp).rgb;
}

fn map_colour(row: i32, t: f32) -> vec3<f32> {
    let last = i32(textureDimensions(maps).x) - 1;
    return textureLoad(maps, vec2<i32>(i32(round(clamp(t, 0.0, 1.0) * f32(last))), row), 0).rgb;
}

fn with_heat(colour: vec3<f32>, unit: vec2<f32>) -> vec3<f32> {
    let value = bilinear(heat, unit * vec2<f32>(textureDimensions(heat))).r;
    return mix(colour, map_colour(ROW_MAGNITUDE, value), HEAT_OPACITY);
}

fn mean(channels: vec3<f32>) -> f32 {
    return (channels.r + channels.g + channels.b) / 3.0;
}

// The area of one screen pixel on the picture, averaged.
fn shade(pixel: vec2<f32>) -> vec3<f32> {
    let on_second = pixel.x >= scene.divider;
    var colour = vec3<f32>(0.0);
    for (var row = 0u; row < scene.taps; row++) {
        for (var column = 0u; column < scene.taps; column++) {
            let offset = (vec2<f32>(f32(column), f32(row)) + 0.5) / f32(scene.taps) - 0.5;
            let unit = (pixel + offset - scene.origin) / scene.extent;
            if scene.mode == MODE_DIFFERENCE {
                colour += abs(colour_at(second, unit) - colour_at(first, unit));
            } else if scene.mode == MODE_SIGNED_DIFFERENCE {
                colour += colour_at(second, unit) - colour_at(first, unit);
            } else if on_second {
                colour += colour_at(second, unit);
            } else {
                colour += colour_at(first, unit);
            }
        }
    }
    colour /= f32(scene.taps * scene.taps);
    if scene.mode == MODE_DIFFERENCE {
        return map_colour(ROW_MAGNITUDE, scene.gain * mean(colour));
    }
    if scene.mode == MODE_SIGNED_DIFFERENCE {
        return map_colour(ROW_SIGNED, 0.5 + 0.5 * scene.gain * mean(colour));
    }
    if (scene.heat_on & select(1u, 2u, on_second)) != 0u {
        return with_heat(colour, (pixel - scene.origin) / scene.extent);
    }
    return colour;
}

fn linear_from_gamma(colour: vec3<f32>) -> vec3<f32> {
    let low = colour / 12.92;
    let high = pow((colour + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, colour <= vec3<f32>(0.04045));
}

@fragment
fn fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let unit = (position.xy - scene.origin) / scene.extent;
    if any(unit < vec2<f32>(0.0)) || any(unit >= vec2<f32>(1.0)) {
        return vec4<f32>(0.0);
    }
    var colour = shade(position.xy);
    if scene.linear_target == 1u {
        colour = linear_from_gamma(colour);
    }
    return vec4<f32>(colour, 1.0);
}
