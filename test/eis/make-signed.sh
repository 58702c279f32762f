#!/bin/bash
# Make the signed EIS documents in test/eis/signed, and the certificates that
# they lead to, with the openssl command alone: what verifies them shall not be
# what made them.  To be run when a kind of document is added; the keys are new
# each time and not kept.
#
#   test/eis/make-signed.sh
#
# Canonical forms are written by hand here.  EumSignedInfo of test/eis/eis.xml
# has neither attributes nor comments nor empty elements, so its canonical form
# is itself with the namespace that it inherits.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

out=$PWD/signed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cp eis.xml "$work/"
cd "$work"

eid=89049032001000000100000090000151
eum_oid=2B06010401868D1F01 # 1.3.6.1.4.1.99999.1

# ---- certificates ----

cat >openssl.cnf <<'CONF'
[ca]
default_ca = any
[any]
database = index
new_certs_dir = .
serial = serial
default_md = sha256
unique_subject = no
policy = policy
[policy]
commonName = supplied
organizationName = optional
[ci]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[eum]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = RID:1.3.6.1.4.1.99999.1
[eum_other]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = RID:1.3.6.1.4.1.99999.77
[eum_nameless]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[eum_two_names]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, digitalSignature, keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = RID:1.3.6.1.4.1.99999.1, RID:1.3.6.1.4.1.99999.77
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = RID:1.3.6.1.4.1.99999.1
CONF

key() { openssl ecparam -name "${2:-prime256v1}" -genkey -noout -out "$1.key"; }

# certificate NAME SUBJECT EXTENSIONS ISSUER [FROM UNTIL]: ISSUER is NAME for a CI
number=10
certificate() {
	local name=$1 subject=$2 extensions=$3 issuer=$4 from=${5:-20240101000000Z} until=${6:-99991231235959Z} signer
	: >index
	echo $((number++)) >serial
	openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
	signer=(-cert "$issuer.pem" -keyfile "$issuer.key")
	[[ $issuer != "$name" ]] || signer=(-selfsign -keyfile "$name.key")
	openssl ca -config openssl.cnf -batch -notext "${signer[@]}" -extensions "$extensions" \
		-startdate "$from" -enddate "$until" -in "$name.csr" -out "$name.pem" 2>/dev/null
}

base64_of() { openssl x509 -in "$1.pem" -outform DER | openssl base64; }
ski_of() { openssl x509 -in "$1.pem" -noout -ext subjectKeyIdentifier | tail -n 1 | tr -d ' :\n'; }

# ---- octets, as hexadecimal digits ----

tlv() { # TAG VALUE
	local len=$((${#2} / 2))
	if ((len < 128)); then printf '%s%02X%s' "$1" "$len" "$2"; else printf '%s81%02X%s' "$1" "$len" "$2"; fi
}

binary() { printf '%b' "$(sed 's/../\\x&/g' <<<"$1")"; }

# The plain form r, s of ECDSA over the standard input
sign() {
	local r s
	{ read -r r && read -r s; } < <(openssl dgst -sha256 -sign "$1.key" | openssl asn1parse -inform DER |
		sed -n 's/.*INTEGER *://p')
	printf '%64s%64s' "$r" "$s" | tr ' ' 0
}

point_of() { openssl ec -in "$1.key" -pubout -conv_form uncompressed -outform DER 2>/dev/null | tail -c 65 | od -An -vtx1 | tr -d ' \n' | tr a-f A-F; }

# ecasd_certificate EUM [EID UNTIL SKI]
ecasd_certificate() {
	local eum=$1 of=${2:-$eid} until=${3:-99991231} ski=${4:-} body
	[[ -n $ski ]] || ski=$(ski_of "$eum")
	body=$(tlv 93 01)$(tlv 42 "$eum_oid")$(tlv 5F20 "$of")$(tlv 95 0080)$(tlv 5F25 20240101)$(tlv 5F24 "$until")
	body+=$(tlv 73 "$(tlv C0 01)$(tlv C1 01)$(tlv C9 "$ski")")
	body+=$(tlv 7F49 "$(tlv B0 "$(point_of ecasd)")$(tlv F0 00)")
	tlv 7F21 "$body$(tlv 5F37 "$(binary "$body" | sign "$eum")")"
}

# ---- documents ----

exclusive=http://www.w3.org/2001/10/xml-exc-c14n#
inclusive=http://www.w3.org/TR/2001/REC-xml-c14n-20010315
inclusive11=http://www.w3.org/2006/12/xml-c14n11
gsma=http://namespaces.gsma.org/esim-messaging/3
ds=http://www.w3.org/2000/09/xmldsig#

# document NAME SIGNER ECASD_CERTIFICATE [C14N [REFERENCE_ATTRIBUTES [ID [CERTIFICATES]]]]
document() {
	local name=$1 signer=$2 ecasd=$3 c14n=${4:-$exclusive} uri=${5:-} id=${6:-} certificates=${7-$2 ci} part digest info value inherited= key_info=
	part=$(sed -n '/<EumSignedInfo>/,/<\/EumSignedInfo>/p' eis.xml | sed '1s/^ *//')
	part=${part/<CaId>*<\/CaId>/<CaId>${ca_id:-$eum_oid}<\/CaId>}
	part=${part/<Type>CA</<Type>${ecasd_type:-CA}<}
	part=${part/<Value>*<\/Value>/<Value>$ecasd<\/Value>}
	digest=$(printf '%s' "${part/<EumSignedInfo>/<EumSignedInfo xmlns=\"$gsma\"$id>}" | openssl dgst -sha256 -binary | openssl base64)
	# inclusive: what is declared further out belongs to the canonical form, too
	[[ $c14n == "$exclusive" ]] || inherited=" xmlns=\"$gsma\""
	# in canonical form as it stands, but for the namespaces of its first tag
	info="<ds:CanonicalizationMethod Algorithm=\"$c14n\"></ds:CanonicalizationMethod>
      <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"></ds:SignatureMethod>
      <ds:Reference$uri>
        <ds:Transforms>
          <ds:Transform Algorithm=\"$c14n\"></ds:Transform>
        </ds:Transforms>
        <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>
        <ds:DigestValue>$digest</ds:DigestValue>
      </ds:Reference>
    </ds:SignedInfo>"
	value=$(binary "$(printf '<ds:SignedInfo%s xmlns:ds="%s">%s' "$inherited" "$ds" "$info" | sign "$signer")" | openssl base64)
	for signer in $certificates; do
		key_info+="
        <ds:X509Certificate>$(base64_of "$signer")</ds:X509Certificate>"
	done
	[[ -z $key_info ]] || key_info="
    <ds:KeyInfo>
      <ds:X509Data>$key_info
      </ds:X509Data>
    </ds:KeyInfo>"
	{
		sed '/<EumSignedInfo>/,$d' eis.xml
		printf '  %s\n' "${part/<EumSignedInfo>/<EumSignedInfo$id>}"
		printf '  <EumSignature xmlns:ds="%s">\n    <ds:SignedInfo>%s\n    <ds:SignatureValue>%s</ds:SignatureValue>%s\n  </EumSignature>\n' \
			"$ds" "$info" "$value" "$key_info"
		sed '1,/<\/EumSignature>/d' eis.xml
	} >"$out/$name.xml"
}

for name in ci ci_again other_ci eum expired unborn other nameless two_names leaf ecasd; do key "$name"; done
key brainpool brainpoolP256r1
key secp secp384r1
certificate ci '/O=Example/CN=Test CI' ci ci
certificate ci_again '/O=Example/CN=Test CI' ci ci_again
certificate other_ci '/O=Elsewhere/CN=Other CI' ci other_ci
certificate eum '/O=Example/CN=Test EUM' eum ci
certificate brainpool '/O=Example/CN=Test EUM' eum ci
certificate expired '/O=Example/CN=Test EUM' eum ci 20200101000000Z 20210101000000Z
certificate unborn '/O=Example/CN=Test EUM' eum ci 99980101000000Z
certificate other '/O=Example/CN=Another EUM' eum_other ci
certificate nameless '/O=Example/CN=Nameless EUM' eum_nameless ci
certificate two_names '/O=Example/CN=Test EUM' eum_two_names ci
certificate leaf '/O=Example/CN=Not an EUM' leaf ci
certificate secp '/O=Example/CN=Test EUM' eum ci
cp eum.pem eum_of_other_ci.pem && cp eum.key eum_of_other_ci.key
certificate eum_of_other_ci '/O=Example/CN=Test EUM' eum other_ci
cp ci.pem ci_again.pem other_ci.pem eum.pem brainpool.pem expired.pem nameless.pem other.pem leaf.pem "$out/"

good=$(ecasd_certificate eum)
document signed eum "$good"
document inclusive brainpool "$(ecasd_certificate brainpool)" "$inclusive" ' URI=""'
document by-id eum "$good" "$inclusive11" ' URI="#info"' ' Id="info" kind="sample"' ''
document expired-eum expired "$(ecasd_certificate expired)"
document unborn-eum unborn "$(ecasd_certificate unborn)"
document other-eum other "$(ecasd_certificate other)"
document nameless-eum nameless "$(ecasd_certificate nameless)"
document two-names-eum two_names "$(ecasd_certificate two_names)"
document no-eum leaf "$(ecasd_certificate leaf)"
document other-curve secp "$good"
document other-ci eum_of_other_ci "$good" '' '' '' 'eum_of_other_ci other_ci'
document other-key other "$good" '' '' '' 'eum ci'
document ecasd-other-eid eum "$(ecasd_certificate eum 89049032001000000100000090000248)"
document ecasd-expired eum "$(ecasd_certificate eum "$eid" 20251231)"
document ecasd-other-key eum "$(ecasd_certificate other "$eid" 99991231 "$(ski_of eum)")"
document ecasd-other-ski eum "$(ecasd_certificate eum "$eid" 99991231 "$(ski_of other)")"
document ecasd-truncated eum "${good:0:-2}"
ca_id=2B0601 document ecasd-other-ca-id eum "$good"
ecasd_type=SCP03 document ecasd-no-certificate eum "$good"
eum_oid=2B0601
document ecasd-other-issuer eum "$(ecasd_certificate eum)"
