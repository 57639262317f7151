# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Sourced after lib.sh by scripts that download Debian packages without installing
# them. The packages come from the mirror of the system's apt configuration and
# are stored in the cache.

# apt_private ARCHITECTURE SUITE COMMAND...: run COMMAND with a private apt state,
# so that the sources, lists and architectures of the system do not change. The
# mirror has all suites and architectures.
apt_private()
{
	local state=$CACHE/apt/$2-$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	# shellcheck disable=SC2016 # apt expands these
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages' |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
	[ -n "$mirror" ] || die "apt knows no Debian mirror (run 'apt-get update' once)"
	mkdir -p "$state/lists/partial" "$state/archives/partial"
	echo "deb [signed-by=$keyring] $mirror $2 main" > "$state/sources.list"
	cat > "$state/apt.conf" <<-EOT
		APT::Architecture "$1";
		APT::Architectures { "$1"; };
		Dir::State "$state";
		Dir::State::status "/var/lib/dpkg/status";
		Dir::Cache "$state";
		Dir::Etc::SourceList "$state/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		APT::Sandbox::User "root";
	EOT
	APT_CONFIG=$state/apt.conf "${@:3}"
}

# cached_package DIR: print the path of the package in DIR if its checksum is correct.
cached_package()
{
	local deb
	for deb in "$1"/*.deb; do
		[ -f "$deb" ] || continue
		if (cd "$1" && sha256sum --quiet -c "$(basename "$deb").sha256") > /dev/null 2>&1; then
			echo "$deb"
			return
		fi
		say "the cached $(basename "$deb") has a wrong checksum; downloading it again" >&2
		rm -f "$deb" "$deb.sha256"
	done
}

# download DIR COMMAND...: download the package whose name COMMAND prints into DIR.
download()
{
	local name
	apt-get -q update
	name=$("${@:2}")
	(cd "$1" && apt-get -q download "$name")
}

# fetch_package DIR ARCHITECTURE SUITE COMMAND...: download the package whose name
# COMMAND prints into DIR. apt verifies the signature of the archive. The checksum
# that is stored with the package detects later changes of the file.
fetch_package()
{
	local dir=$1 tmp deb
	mkdir -p "$dir"
	# Remove interrupted downloads, but not a current one of another clone.
	find "$dir" -maxdepth 1 -name 'tmp.*' -mmin +1440 -exec rm -rf {} +
	tmp=$(mktemp -d "$dir/tmp.XXXXXX")
	step "download $(basename "$dir") ($2)" apt_private "$2" "$3" download "$tmp" "${@:4}"
	deb=$(cd "$tmp" && ls -- *.deb)
	(cd "$tmp" && sha256sum "$deb" > "$deb.sha256")
	mv "$tmp/$deb" "$tmp/$deb.sha256" "$dir/"
	rmdir "$tmp"
}
