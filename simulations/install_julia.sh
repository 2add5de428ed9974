#!/bin/sh
# Install Julia 1.5 into a private prefix, leaving the system untouched; no root is needed.
#
#   usage: install_julia.sh [PREFIX]
#   default: ${XDG_DATA_HOME:-$HOME/.local/share}/gridstab/julia
#
# Prints the path of the julia binary. A second run does nothing else.
#
# Debian 12 has no Julia package, but the one of Debian 11, from the archive that apt is
# configured for, runs on it. apt fetches and verifies the packages in a private state folder;
# they are unpacked, not installed, and given relative library paths, so that neither
# LD_LIBRARY_PATH nor root is needed to run Julia or to embed it. Where apt does not offer this,
# install Julia with the official installer from julialang.org; any version from 1.5 on serves.
set -eu

prefix=${1:-${XDG_DATA_HOME:-$HOME/.local/share}/gridstab/julia}
suite=bullseye
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages="julia julia-common libjulia1 libllvm9 libffi7 libz3-4 libedit2 libbsd0 libmd0
    libunwind8 libutf8proc2 libopenlibm3 libdsfmt-19937-1 libgmp10 libmpfr6
    libpcre2-8-0 libgfortran5 libquadmath0 libgit2-1.1 libhttp-parser2.9 libpcre3
    libssh2-1 libmbedcrypto3 libmbedtls12 libmbedx509-0"
# glibc, libstdc++ and libgcc stay the system's: newer, and shared with the process that embeds
# Julia.

refuse() {
    echo "install_julia: $1; install Julia with the official installer from julialang.org (juliaup)" >&2
    exit 1
}

case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
stamp=$prefix/.installed-$suite-2
if [ -e "$stamp" ] && "$prefix/bin/julia" --version >/dev/null 2>&1; then
    echo "$prefix/bin/julia"
    exit 0
fi

system=$(uname -s)
[ "$system" = Linux ] || refuse "apt is needed, this is $system"
for tool in apt-get dpkg dpkg-deb; do
    command -v "$tool" >/dev/null 2>&1 || refuse "no $tool on this system"
done
architecture=$(dpkg --print-architecture)
[ "$architecture" = amd64 ] || refuse "made for amd64, this is $architecture"
[ -r "$keyring" ] || refuse "no Debian archive keyring ($keyring)"
release=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
archive=$(apt-get --print-uris update 2>/dev/null |
    sed -n "s|^'\(.*\)/dists/$release/InRelease'.*|\1|p" | head -n 1)
if [ -z "$release" ] || [ -z "$archive" ]; then
    refuse "apt names no archive for '${release:-this release}'"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
mkdir -p "$scratch/etc" "$scratch/lists/partial" "$scratch/archives/partial" "$scratch/debs"
: >"$scratch/status"
for name in "$suite" "$release"; do
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n' \
        "$archive" "$name" "$keyring" >"$scratch/etc/$name.sources"
done
apt_private() {
    apt-get -qq -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$scratch/etc" \
        -o Dir::State::Lists="$scratch/lists" -o Dir::State::status="$scratch/status" \
        -o Dir::Cache="$scratch" -o APT::Sandbox::User="$(id -un)" "$@" >&2
}
fetched=yes
apt_private update || fetched=
(
    cd "$scratch/debs"
    # shellcheck disable=SC2046
    apt_private download $(for package in $packages; do echo "$package/$suite"; done)
) || fetched=
[ -n "$fetched" ] || refuse "the archive $archive does not offer the packages of $suite"
patchelf=$(command -v patchelf) || {
    (cd "$scratch" && apt_private download "patchelf/$release" && dpkg-deb -x patchelf_*.deb tools) ||
        refuse "the archive $archive does not offer patchelf"
    patchelf=$scratch/tools/usr/bin/patchelf
}

root=$scratch/root
for package in "$scratch"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
# Some of the libraries lie in /lib.
if [ -d "$root/lib" ]; then cp -a "$root/lib/." "$root/usr/lib/"; fi
lib=$root/usr/lib/x86_64-linux-gnu
ln -sf libjulia.so.1 "$lib/libjulia.so" # the name that programs which embed Julia ask for
# $ORIGIN is the dynamic linker's, not the shell's.
# shellcheck disable=SC2016
find "$lib" -maxdepth 1 -type f -name '*.so*' \
    -exec "$patchelf" --set-rpath '$ORIGIN:$ORIGIN/julia' {} +
# shellcheck disable=SC2016
find "$lib/julia" -type f -name '*.so*' ! -name sys.so \
    -exec "$patchelf" --set-rpath '$ORIGIN:$ORIGIN/..' {} +

mkdir -p "$prefix/share"
rm -rf "$prefix/bin" "$prefix/lib" "$prefix/share/julia" "$prefix/etc" "$prefix/include" "$stamp"
for folder in bin lib include; do
    if [ -d "$root/usr/$folder" ]; then cp -a "$root/usr/$folder" "$prefix/"; fi
done
cp -a "$root/usr/share/julia" "$prefix/share/"
cp -a "$root/etc" "$prefix/"
"$prefix/bin/julia" --version >&2
: >"$stamp"
echo "$prefix/bin/julia"
