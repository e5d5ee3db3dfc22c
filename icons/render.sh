#!/bin/sh
# Renders every icon of this folder from its SVG. Needs only the packages of ui/ (npm ci there first).
set -eu
cd "$(dirname "$0")"
tauri=../ui/node_modules/.bin/tauri
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tauri" icon source.svg --output "$work/app" >/dev/null 2>&1
# The phone and shop formats are not for a desktop app.
for icon in icon.png icon.ico icon.icns 32x32.png 128x128.png 128x128@2x.png; do
  cp "$work/app/$icon" "$icon"
done

for state in idle published active offline; do
  "$tauri" icon "tray-$state.svg" --png 32 --output "$work/$state" >/dev/null 2>&1
  cp "$work/$state/32x32.png" "tray-$state.png"
done
