-- EIS documents: what they become, and what is refused.
SET client_min_messages = warning;
LOAD 'smsr';
-- what signatures are worth: eum_signature.sql
SET smsr.eum_signature = 'unchecked';
\set SHOW_CONTEXT never
\pset null '(null)'

CREATE TABLE key_dir (path text);
COPY key_dir FROM PROGRAM 'mktemp -d /tmp/smsr-eis.XXXXXX';
SELECT path AS dir FROM key_dir \gset
\set in_dir 'umask 077; cat > /dev/null; cd ' :dir ' && head -c 32 /dev/urandom > kek && printf 000102030405060708090a0b0c0d0e0f > transport'
COPY (SELECT) TO PROGRAM :'in_dir';
\set kek :dir/kek
ALTER SYSTEM SET smsr.kek_file = :'kek';
\setenv SMSR_KEK :kek
SELECT pg_reload_conf();
\! until [ "$(psql -XAtqc 'SHOW smsr.kek_file' postgres)" = "$SMSR_KEK" ]; do sleep 0.1; done
SELECT smsr.create_storage_key();

\set clear `cat test/eis/eis.xml`
\set wrapped `cat test/eis/eis-wrapped.xml`
CREATE TABLE sample AS SELECT :'clear'::text AS clear, :'wrapped'::text AS wrapped;

-- ---- the transport key comes first ----

SELECT eid, element, reason, subject_code, reason_code FROM sample, smsr.read_eis(clear);
SELECT smsr.import_transport_key('1.3.6.1.4.1.99999.1', 'none');
SELECT eid, element, reason FROM sample, smsr.read_eis(wrapped);
SELECT smsr.import_transport_key_file('1.3.6.1.4.1.99999.1', 'aes-kw', :'dir' || '/transport');

-- ---- what documents become ----

SELECT smsr.register_eis(:'clear');
SELECT smsr.register_eis(wrapped::xml) FROM sample;
\x on
SELECT eid, eum_id, smsr_id, production_date AT TIME ZONE 'UTC' AS production_date, platform_type, platform_version,
	isdp_loadfile_aid, isdp_module_aid, isdr_aid, cattp_support, cattp_version, http_support, http_version,
	secure_packet_version, remote_provisioning_version, remaining_memory, available_memory, last_audit_at,
	additional_properties FROM smsr.euicc ORDER BY eid;
SELECT eid, isdp_aid, iccid, mno_id, smdp_id, state, fallback_attribute, emergency_attribute, msisdn, imsi,
	profile_type, allocated_memory, free_memory, pol2 FROM smsr.profile ORDER BY eid, isdp_aid;
\x off
SELECT * FROM smsr.euicc_security_domain ORDER BY eid, role;
SELECT eid, sd_aid, kvn, type, key_type, counter, check_values, state, length(sealed) AS sealed FROM smsr.keyset ORDER BY eid;
SELECT eid, position(signed_info IN clear || wrapped) > 0 AS signed_verbatim,
	position(signature IN clear || wrapped) > 0 AS signature_verbatim,
	left(signed_info, 20) AS starts, right(signed_info, 20) AS ends, right(signature, 20) AS signature_ends, namespaces
	FROM sample, smsr.euicc_signed ORDER BY eid;

-- once only
SELECT smsr.register_eis(:'clear');
\echo :SQLSTATE

-- and out again
\pset format unaligned
SELECT smsr.get_eis('89049032001000000100000090000151');
\pset format aligned
SELECT position((SELECT signed_info FROM smsr.euicc_signed AS s WHERE s.eid = e.eid) IN smsr.get_eis(eid)::text) > 0 AS signed_verbatim,
	position((SELECT signature FROM smsr.euicc_signed AS s WHERE s.eid = e.eid) IN smsr.get_eis(eid)::text) > 0 AS signature_verbatim
	FROM smsr.euicc AS e ORDER BY eid;
-- all of it but the keys can be read again
SELECT eid, element, reason FROM smsr.read_eis(smsr.get_eis('89049032001000000100000090000151')::text);
SELECT smsr.get_eis('89049032001000000100000090000345');
\echo :SQLSTATE

-- ---- documents that differ ----

CREATE FUNCTION changed(what text, VARIADIC change text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text := (SELECT clear FROM sample);
	before text;
BEGIN
	FOR i IN 1 .. array_length(change, 1) BY 2 LOOP
		before := result;
		result := replace(result, change[i], change[i + 1]);
		IF result = before THEN
			RAISE EXCEPTION '% changes nothing: %', what, change[i];
		END IF;
	END LOOP;
	RETURN result;
END $$;
CREATE TABLE variant (n int GENERATED ALWAYS AS IDENTITY, what text, document text);
CREATE FUNCTION vary(what text, VARIADIC change text[]) RETURNS int LANGUAGE sql AS $$
	INSERT INTO variant (what, document) VALUES (what, changed(what, VARIADIC change)) RETURNING n
$$;

-- what is accepted
SELECT count(vary(what, a, b)) FROM (VALUES
	('msisdn with +', '<Msisdn>4900', '<Msisdn>+4900'),
	('white space', '<Eid>8904', E'<Eid>\n\t 8904'),
	('a comment in a value', '<Iccid>8949', '<Iccid>89<!-- not a digit -->49'),
	('CDATA', '<State>Enabled</State>', '<State><![CDATA[Enabled]]></State>'),
	('character references', '<State>Enabled</State>', '<State>&#69;nabled</State>'),
	('unknown elements', '<EumSignedInfo>', '<New>1</New><EumSignedInfo><Newer><Eid>1</Eid></Newer>'),
	('elements of another namespace', '<RemainingMemory>', '<x:RemainingMemory xmlns:x="urn:x">-1</x:RemainingMemory><RemainingMemory>'),
	('an encoding that it does not have', '<?xml version="1.0" ?>', '<?xml version="1.0" encoding="UTF-16"?>'),
	('booleans as digits', '<FallbackAttribute>true<', '<FallbackAttribute>1<'),
	('a time zone', '2026-01-15T08:00:00Z', '2026-01-15T08:00:00.25+01:00'),
	('no signature', 'EumSignature', 'Signature'),
	('ICCID with filler', '8949000000090000118', '8949000000090000118F'),
	('two rules', '<pol2/>', '<pol2><Rule><Subject>PROFILE</Subject><Action>DISABLE</Action><Qualification>Not-Allowed</Qualification></Rule><Rule><Subject>PROFILE</Subject><Action>DELETE</Action><Qualification>Not-Allowed</Qualification></Rule></pol2>'),
	('properties', '<Isd-r>', '<AdditionalProperties><Property key="b" value="&lt;2&gt;"/><Property><key>a</key><value>1 "&amp;" ü</value></Property></AdditionalProperties><Isd-r>'),
	('no type of a key set', '<Type>SCP80</Type>', ''),
	('a key set without keys', '<Isd-r>', '<Isd-r><Keyset><Version>112</Version><Type>TokenGeneration</Type></Keyset>'),
	('audit trail', '<Isd-r>', '<AuditTrail><Record><Eid>89049032001000000100000090000151</Eid><Smsr-id>1.3.6.1.4.1.99999.8</Smsr-id><OperationDate>2026-02-01T00:00:00Z</OperationDate><OperationType>0100</OperationType><RequesterId>1.3.6.1.4.1.99999.2</RequesterId><OperationExecutionStatus><Status>FAILED</Status><StatusCodeData><Subject>8.4</Subject><Reason>4.2</Reason></StatusCodeData></OperationExecutionStatus><Isd-p-aid>A0000005591010FFFFFFFF8900001200</Isd-p-aid></Record></AuditTrail><Isd-r>')
) AS v (what, a, b);
SELECT what, element, reason FROM variant, smsr.read_eis(document) ORDER BY n;
SELECT (profiles[1]).msisdn, (profiles[1]).pol2 FROM variant, smsr.read_eis(document) WHERE what IN ('msisdn with +', 'two rules') ORDER BY n;
SELECT (euicc).production_date AT TIME ZONE 'UTC' AS production_date FROM variant, smsr.read_eis(document) WHERE what = 'a time zone';
SELECT (euicc).additional_properties FROM variant, smsr.read_eis(document) WHERE what = 'properties';
SELECT r.smsr_id, operation_date AT TIME ZONE 'UTC' AS operation_date, operation_type, requester_id, status, subject_code, reason_code, isdp_aid
	FROM (SELECT document FROM variant WHERE what = 'audit trail') AS v, unnest((smsr.read_eis(v.document)).records) AS r;

-- esim-messaging/1 has other names
INSERT INTO variant (what, document)
	SELECT 'version 1', replace(d, 'esim-messaging/3', 'esim-messaging/1')
	FROM (SELECT string_agg(CASE WHEN part ~ '^</?[A-Z]' THEN
				regexp_replace(part, '^(</?)([A-Z])([^ >/]*)', '\1' || lower(substring(part FROM '^</?([A-Z])')) ||
					replace(substring(part FROM '^</?[A-Z]([^ >/]*)'), '-', '')) ELSE part END, '' ORDER BY i) AS d
		FROM sample, regexp_split_to_table(clear, '(?=<)') WITH ORDINALITY AS t (part, i)) AS v;
SELECT eid, element, reason, cardinality(profiles), (part).namespaces, left((part).signed_info, 50) AS signed_info
	FROM variant, smsr.read_eis(document) WHERE what = 'version 1';
-- and so may prefixes be
INSERT INTO variant (what, document)
	SELECT 'prefixes', replace(regexp_replace(clear, '<(/?)(?=[A-Za-z])(?!ds:)', '<\1gsm:', 'g'), 'xmlns=', 'xmlns:gsm=') FROM sample;
SELECT eid, element, reason, cardinality(profiles), (part).namespaces, left((part).signed_info, 24) AS signed_info
	FROM variant, smsr.read_eis(document) WHERE what = 'prefixes';

-- ---- the signed part is the very octets ----

CREATE TABLE part (n int GENERATED ALWAYS AS IDENTITY, what text, signed_info text, before text, after text);
INSERT INTO part (what, signed_info, before, after)
	SELECT v.what, f.start || substr(p.signed, length('<EumSignedInfo>') + 1, length(p.signed) - length('<EumSignedInfo></EumSignedInfo>')) || f.stop,
		v.before, v.after
	FROM sample, LATERAL (SELECT substring(clear FROM '<EumSignedInfo>.*</EumSignedInfo>') AS signed) AS p,
		(VALUES
			('comments around', '<!-- <EumSignedInfo> -->', '<!-- </EumSignedInfo> -->', NULL, NULL),
			('comments inside', '', '', '<EumSignedInfo><!-- </EumSignedInfo> > -->', '<!----></EumSignedInfo>'),
			('CDATA', '<x><![CDATA[<EumSignedInfo>]]></x>', '', '<EumSignedInfo><x><![CDATA[</EumSignedInfo>]]></x>', NULL),
			('processing instructions', '<?p <EumSignedInfo> ?>', '<?p?>', '<EumSignedInfo><?p </EumSignedInfo>?>', NULL),
			('attributes', '', '', E'<EumSignedInfo\n a=">" b=''/>"''\t>', E'</EumSignedInfo \n>'),
			('characters of several octets', '<x>äöü€𝄞</x>', 'ß', '<EumSignedInfo a="€"><x>äöü€𝄞</x>', NULL),
			('line ends', E'\r\n\r', E'\r', E'<EumSignedInfo>\r\n\r', E'\r\n</EumSignedInfo>'),
			('the same name elsewhere', '<x><EumSignedInfo/></x><y:EumSignedInfo xmlns:y="urn:y"><a/></y:EumSignedInfo>', '', '<EumSignedInfo><EumSignedInfo/>', NULL)
		) AS v (what, before, after, start, stop),
		LATERAL (SELECT coalesce(v.start, '<EumSignedInfo>') AS start, coalesce(v.stop, '</EumSignedInfo>') AS stop) AS f;
INSERT INTO part (what, signed_info, before, after) SELECT 'byte order mark', signed_info, '', '' FROM part WHERE n = 1;
SELECT p.what, r.reason, (r.part).signed_info = p.signed_info AS same,
	(r.part).signature = substring(clear FROM '<EumSignature.*</EumSignature>') AS signature_same
	FROM sample, part AS p, LATERAL smsr.read_eis(CASE p.what WHEN 'byte order mark' THEN U&'\FEFF' ELSE '' END ||
		replace(clear, substring(clear FROM '<EumSignedInfo>.*</EumSignedInfo>'), p.before || p.signed_info || p.after)) AS r ORDER BY p.n;

-- ---- key sets ----

TRUNCATE variant;
SELECT smsr.import_transport_key_file('1.3.6.1.1', 'aes-kwp', :'dir' || '/transport'),
	smsr.import_transport_key_file('1.3.6.1.2', 'aes-cbc-zero-iv', :'dir' || '/transport'),
	smsr.import_transport_key_file('1.3.6.1.3', '3des-ecb', :'dir' || '/transport');
SELECT count(vary(what, '1.3.6.1.4.1.99999.1', eum, 'AAB78636E825A093D6323F6BF0C64FB2', a,
		'F6211271F9E372580A84F416FBADBA6F', b, '6F9B5DF8E1DA1E9E074982E5CE86AA67', c)) FROM (VALUES
	('aes-kwp', '1.3.6.1.1', '0A2AFD5B74864A9D296099A23E97D1EFC1CD34CED17470C4', 'A543605538896559EEB848DC322368AA804BA70F7E8CF613', 'D9CF302E25B05556522A85215B09C76B05764C90A8475491'),
	('aes-cbc-zero-iv', '1.3.6.1.2', 'ABA4BA59801D3DCF4088CD666EE6FE1C', '9D7673CE14EA635B6BCFCEF9FE6A92A0', '2A83C249703AF6B95BA1C294BFF5FBB2'),
	('3des-ecb', '1.3.6.1.3', 'A3F3F2F72B45A48248AC381E692A8117', 'C39A55C0D7EF62F21A7A7F4AC716907F', 'D1130A67451F4B752F084C94F0B83438'),
	('another mode', '1.3.6.1.3', 'ABA4BA59801D3DCF4088CD666EE6FE1C', '9D7673CE14EA635B6BCFCEF9FE6A92A0', '2A83C249703AF6B95BA1C294BFF5FBB2')
) AS v (what, eum, a, b, c);
SELECT vary('3DES keys', 'type="88"', 'type="80"', '1233DD', '176F68', '9BFD22', 'EC229B', 'F5C09A', 'FFA0CF');
SELECT vary('PSK', '<Version>2</Version>', '<Version>64</Version>', 'SCP80', 'SCP81',
	'kcv="1233DD"', '', 'type="88" value="AAB7', 'type="85" value="AAB7');
SELECT vary('another set', '<Keyset>
      <Version>2', '<Keyset><Version>48</Version><Type>SCP03</Type><Key kcv="1233DD"><Index>1</Index><KeyComponent type="88" value="AAB78636E825A093D6323F6BF0C64FB2"/></Key></Keyset><Keyset><Version>2');
SELECT v.what, r.reason, k.kvn, k.type, k.key_type, k.check_values, length(k.sealed)
	FROM variant AS v, LATERAL smsr.read_eis(v.document) AS r LEFT JOIN LATERAL unnest(r.keysets) AS k ON true ORDER BY v.n, k.kvn;
-- a key set for 3DES makes packets for 3DES
SELECT smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, '\x1600', '\x000001', 1, '\x00')
		= smsr.scp80_command('\x1600', '\x25', '\x25', '\x000001', 1, '\xAAB78636E825A093D6323F6BF0C64FB2', '\xF6211271F9E372580A84F416FBADBA6F', '\x00') AS same
	FROM variant AS v, unnest((smsr.read_eis(v.document)).keysets) AS k WHERE v.what = '3DES keys';
-- a PSK makes none
SELECT smsr.seal_command(k.eid, k.sd_aid, k.kvn, k.key_type, k.sealed, '\x1600', '\x000001', 1, '\x00')
	FROM variant AS v, unnest((smsr.read_eis(v.document)).keysets) AS k WHERE v.what = 'PSK';
-- a transport key whose mode or owner somebody changes is of no use
BEGIN;
UPDATE smsr.transport_key SET mode = 'aes-kw' WHERE eum_id = '1.3.6.1.1';
SELECT smsr.read_eis(document) FROM variant WHERE what = 'aes-kwp';
ROLLBACK;
BEGIN;
DELETE FROM smsr.transport_key WHERE eum_id = '1.3.6.1.1';
UPDATE smsr.transport_key SET eum_id = '1.3.6.1.1' WHERE eum_id = '1.3.6.1.2';
SELECT smsr.read_eis(document) FROM variant WHERE what = 'aes-kwp';
ROLLBACK;
-- nor is one before or after its time
BEGIN;
UPDATE smsr.transport_key SET valid_until = now() WHERE eum_id = '1.3.6.1.1';
SELECT reason FROM variant, smsr.read_eis(document) WHERE what = 'aes-kwp';
UPDATE smsr.transport_key SET valid_from = now() + interval '1 s', valid_until = 'infinity' WHERE eum_id = '1.3.6.1.1';
SELECT reason FROM variant, smsr.read_eis(document) WHERE what = 'aes-kwp';
ROLLBACK;

-- ---- what is refused, and why ----

TRUNCATE variant RESTART IDENTITY;
-- it is the newest transport key that a reject speaks of: be that none
UPDATE smsr.transport_key SET valid_until = now() WHERE mode = 'aes-kw';
SELECT count(vary(what, a, b)) FROM (VALUES
	('check digits', '<Eid>89049032001000000100000090000151', '<Eid>89049032001000000100000090000152'),
	('an EID of letters', '<Eid>8904', '<Eid>AAB7'),
	('a short EID', '<Eid>89', '<Eid>'),
	('another namespace', 'esim-messaging/3', 'esim-messaging/2'),
	('no namespace', 'xmlns="http://namespaces.gsma.org/esim-messaging/3"', ''),
	('elements of another namespace', '<EumSignedInfo>', '<EumSignedInfo xmlns="urn:other">'),
	('another root', '<Eis', '<!-- --><EIS-List'),
	('not well-formed', '</ProfileInfo>', '</ProfileInf>'),
	('undeclared prefix', '<Smsr-id>', '<x:Smsr-id/><Smsr-id>'),
	('undeclared entity', '<ProfileType>sample', '<ProfileType>&sample;'),
	('two roots', '</Eis>', '</Eis><Eis/>'),
	('document type', '<?xml version="1.0" ?>', '<!DOCTYPE Eis>'),
	('a billion laughs', '<?xml version="1.0" ?>', '<!DOCTYPE Eis [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'),
	('a file of the server', '<?xml version="1.0" ?>', '<!DOCTYPE Eis [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
	('two EIDs', '<Eum-id>', '<Eid>89049032001000000100000090000248</Eid><Eum-id>'),
	('two signed parts', '<EumSignature', '<EumSignedInfo/><EumSignature'),
	('an element in a value', '<Eid>8904', '<Eid><b>89</b>04'),
	('an OID of words', '<Eum-id>1.3', '<Eum-id>urn:1.3'),
	('an OID with a zero', '<Mno-id>1.3', '<Mno-id>1.03'),
	('the 30th of February', '2026-01-15T', '2026-02-30T'),
	('no time', '2026-01-15T08:00:00Z', '2026-01-15'),
	('a version of two numbers', '<PlatformVersion>1.0.0', '<PlatformVersion>1.0'),
	('a long name', '<PlatformType>sample', '<PlatformType>' || repeat('x', 101)),
	('a short AID', '<Isd-p-module-aid>A0000005591010FFFFFFFF8900000E00', '<Isd-p-module-aid>A0000005'),
	('an AID of letters', '<Isd-p-aid>A0', '<Isd-p-aid>G0'),
	('a short TAR', '<Tar>000001', '<Tar>0001'),
	('a long SIN', '<Sin>42', '<Sin>' || repeat('42', 17)),
	('another role', '<Role>ISD-R', '<Role>ECASD'),
	('a boolean', '<HttpSupport>false', '<HttpSupport>no'),
	('memory below zero', '<RemainingMemory>', '<RemainingMemory>-'),
	('memory beyond all', '<AvailableMemoryForProfiles>', '<AvailableMemoryForProfiles>99999999999999999999'),
	('an ICCID of letters', '<Iccid>8949', '<Iccid>ABCD'),
	('the same ICCID twice', '8949000000090000118', '89490000000090000107'),
	('the same AID twice', 'A0000005591010FFFFFFFF8900001100', 'A0000005591010FFFFFFFF8900001000'),
	('an unknown state', '<State>Disabled', '<State>Activated'),
	('two enabled profiles', '<State>Disabled', '<State>Enabled'),
	('two fall-back profiles', '<FallbackAttribute>false', '<FallbackAttribute>true'),
	('MSISDN', '<Msisdn>49', '<Msisdn>0049 '),
	('IMSI', '<Imsi>262010009000010', '<Imsi>2620'),
	('a rule', '<pol2/>', '<pol2><Rule><Subject>PROFILE</Subject><Action>SLEEP</Action><Qualification>Not-Allowed</Qualification></Rule></pol2>'),
	('a rule''s subject', '<pol2/>', '<pol2><Rule><Subject>EUICC</Subject><Action>DISABLE</Action><Qualification>Not-Allowed</Qualification></Rule></pol2>'),
	('half a rule', '<pol2/>', '<pol2><Rule><Subject>PROFILE</Subject><Action>DISABLE</Action></Rule></pol2>'),
	('key check value', 'kcv="9BFD22"', 'kcv="9BFD23"'),
	('key check value over zeros', 'kcv="9BFD22"', 'kcv="909D83"'),
	('key check value of two octets', 'kcv="9BFD22"', 'kcv="9BFD"'),
	('no key check value', 'kcv="9BFD22"', ''),
	('key type', 'type="88"', 'type="8"'),
	('another key type', 'type="88"', 'type="85"'),
	('types that differ', 'type="88" value="F6', 'type="80" value="F6'),
	('key of 15 octets', 'value="AAB7', 'value="AA'),
	('key of letters', 'value="AAB7', 'value="XXB7'),
	('no key', 'value="AAB78636E825A093D6323F6BF0C64FB2"', ''),
	('the same key twice', '<Index>2', '<Index>3'),
	('a fourth key', '<Index>3', '<Index>4'),
	('no KID', '<Index>2</Index>
        <KeyComponent type="88" value="F6211271F9E372580A84F416FBADBA6F"/>', '<Index>2</Index>'),
	('counter', '<Cntr>0', '<Cntr>1099511627776'),
	('version', '<Version>2<', '<Version>0<'),
	('version of SCP80', '<Version>2<', '<Version>16<'),
	('version in hexadecimal', '<Version>2<', '<Version>0x02<'),
	('type of key set', '<Type>SCP80', '<Type>SCP02'),
	('no SCP key set', '<Type>SCP80', '<Type>CA'),
	('an EUM without transport key', '<Eum-id>1.3.6.1.4.1.99999.1', '<Eum-id>1.3.6.1.4.1.99999.77'),
	('a property without value', '<Isd-r>', '<AdditionalProperties><Property key="a"/></AdditionalProperties><Isd-r>'),
	('a record without type', '<Isd-r>', '<AuditTrail><Record><Smsr-id>1.3</Smsr-id><OperationDate>2026-02-01T00:00:00Z</OperationDate></Record></AuditTrail><Isd-r>')
) AS v (what, a, b);
INSERT INTO variant (what, document) VALUES
	('nothing', ''), ('white space', ' '), ('no XML', 'hello'), ('a number', '1'),
	('deep', repeat('<a>', 1000)), ('1 MB and more', repeat('x', 1024 * 1024 + 1)),
	('1 MB of elements', '<Eis xmlns="http://namespaces.gsma.org/esim-messaging/3">' || repeat('<Isd-r/>', 130000) || '</Eis>');
SELECT what, eid, element, reason, subject_code, reason_code FROM variant, smsr.read_eis(document) ORDER BY n;

-- each element that must be there
SELECT name, element, reason FROM sample,
	unnest(ARRAY['Eid', 'Eum-id', 'ProductionDate', 'PlatformType', 'PlatformVersion', 'Isd-p-loadfile-aid', 'Isd-p-module-aid',
		'Ecasd', 'EuiccCapabilities', 'CattpSupport', 'HttpSupport', 'SecurePacketVersion', 'RemoteProvisioningVersion',
		'RemainingMemory', 'AvailableMemoryForProfiles', 'Iccid', 'Isd-p-aid', 'Mno-id', 'FallbackAttribute', 'State',
		'Isd-r', 'Version', 'Index', 'KeyComponent', 'EumSignedInfo']) AS name,
	LATERAL smsr.read_eis(regexp_replace(clear, '(</?)' || name || '(?=[ >])', '\1Other', 'g')) AS r;
-- those that need not be
SELECT name, element, reason FROM sample,
	unnest(ARRAY['EumSignature', 'Smsr-id', 'SubscriptionAddress', 'Msisdn', 'Imsi', 'Smdp-id', 'ProfileType', 'AllocatedMemory',
		'pol2', 'Tar', 'Sin', 'Sdin', 'Role', 'Cntr', 'Type', 'ProfileInfo']) AS name,
	LATERAL smsr.read_eis(regexp_replace(clear, '(</?)' || name || '(?=[ >/])', '\1Other', 'g')) AS r;

-- ---- a batch goes through, whatever is in it ----

DELETE FROM smsr.euicc;
UPDATE smsr.transport_key SET valid_until = 'infinity' WHERE mode = 'aes-kw';
INSERT INTO smsr.eis_inbox (document) SELECT document FROM variant ORDER BY n;
INSERT INTO smsr.eis_inbox (document) SELECT clear FROM sample;
INSERT INTO smsr.eis_inbox (document) SELECT wrapped FROM sample;
INSERT INTO smsr.eis_inbox (document) SELECT clear FROM sample;
-- more than one round of it
INSERT INTO smsr.eis_inbox (document)
	SELECT replace(clear, '89049032001000000100000090000151', d || lpad((98 - (d || '00')::numeric % 97)::text, 2, '0'))
	FROM sample, generate_series(1, 1500) AS n, LATERAL (SELECT '890490320010000002' || lpad(n::text, 12, '0')) AS v (d);
SELECT * FROM smsr.register_inbox();
SELECT count(*) FROM smsr.eis_inbox;
SELECT (SELECT count(*) FROM smsr.euicc) AS euicc, (SELECT count(*) FROM smsr.euicc_signed) AS signed,
	(SELECT count(*) FROM smsr.euicc_security_domain) AS domain, (SELECT count(*) FROM smsr.profile) AS profile,
	(SELECT count(*) FROM smsr.keyset) AS keyset;
SELECT v.what, r.eid, r.element, r.reason, r.subject_code, r.reason_code FROM variant AS v RIGHT JOIN smsr.eis_reject AS r
	ON r.line = v.n + (SELECT min(line) FROM smsr.eis_reject) - 1
	WHERE r.reason IS DISTINCT FROM (SELECT reason FROM smsr.read_eis(v.document)) ORDER BY r.line;
-- each in its own row: packets of a few of them
SELECT count(*), count(DISTINCT smsr.seal_command(eid, sd_aid, kvn, key_type, sealed, '\x1639', '\x000001', 1, '\x00')) AS packets
	FROM smsr.keyset WHERE kvn = 2;
SELECT * FROM smsr.register_inbox();
SELECT line, eid, element, reason FROM sample, smsr.register_documents(ARRAY[clear, NULL, 'x', wrapped, wrapped]) ORDER BY line;

-- ---- no key, wherever one looks ----

CREATE FUNCTION with_keys() RETURNS TABLE (relation regclass, "rows" bigint) LANGUAGE plpgsql AS $$
BEGIN
	FOR relation IN SELECT oid FROM pg_class WHERE relnamespace = 'smsr'::regnamespace AND relkind = 'r' ORDER BY relname LOOP
		EXECUTE format('SELECT count(*) FROM %s AS t WHERE t::text ~* %L', relation,
			'AAB78636E825A093|D6323F6BF0C64FB2|F6211271F9E37258|0A84F416FBADBA6F|6F9B5DF8E1DA1E9E|074982E5CE86AA67' ||
			'|98464554061E5F24|5430F9DDEF58B5A0|1908E1767625267B|8a73e6bee101413a|784f97f8cdf9d5c4|429066c1f6580618|000102030405060708') INTO "rows";
		IF "rows" > 0 THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END $$;
SELECT * FROM with_keys();
SELECT count(*) FROM smsr.euicc AS e WHERE smsr.get_eis(e.eid)::text ~* 'AAB78636|F6211271|6F9B5DF8|98464554|sealed';
-- whatever the document looks like
SELECT smsr.blank_eis(document) FROM (VALUES
	('<KeyComponent type="88" value="AAB78636E825A093"/>'), ('<p:KeyComponent type = "88" p:value = ''AAB78636E825A093''/>'),
	('<Key><KeyComponent value="AAB78636E825A093'), ('<Key kcv="AAB786"><Index>1</Index><Value>AAB7 8636 E825 A093</Value></Key><Eid>8904903200</Eid>'),
	('<Key value=AAB78636E825A093 x/><a>'), ('<key><![CDATA[AAB78636E825A093]]>AAB78636<!-- AAB78636E825A093 --></key>'),
	('<Key AAB78636E825A093D6323F6BF0C64FB2/>'), ('<Keyset><Version>2</Version><Type>SCP80</Type></Keyset>'),
	('<KeyComponent value="&#65;AB7"/></Key><Isd-p-aid>A0000005591010FFFFFFFF8900001000</Isd-p-aid>'), ('<!DOCTYPE a><KeyComponent value="AAB78636E825A093"/>'),
	('<!DOCTYPE a [<!ENTITY k "AAB78636E825A093">]>'), ('<!-- <KeyComponent value="AAB78636E825A093"/> -->'),
	('<![CDATA[<KeyComponent value="AAB78636E825A093"/>]]>'), ('<Key><!-->AAB78636E825A093</Key>'), ('<Key><!-- > AAB786 --> ]></Key>-->'),
	('<'), ('<!'), ('<!-'), ('<Key><!-'), ('&'), ('value="AAB7">'), ('value = ''AAB7'), ('a "value" of 5 "octets"'),
	('<Kay vulue="AAB78636E825A093"/><a>8904903200100000</a>'), ('ue="AAB78636E825A093<a>'), ('<AAB78636E825A093"/>')) AS v (document);
SELECT length(smsr.blank_eis(repeat('x', 2000000)));
-- the documents that were refused are kept
SELECT count(*), count(*) FILTER (WHERE document ~ 'value="\.\.\."') AS blanked FROM smsr.eis_reject;

-- ---- out again, from documents with other prefixes ----

DELETE FROM smsr.euicc;
TRUNCATE variant;
INSERT INTO variant (what, document)
	SELECT 'prefixes', replace(regexp_replace(clear, '<(/?)(?=[A-Za-z])(?!ds:)', '<\1gsm:', 'g'), 'xmlns=', 'xmlns:es="urn:es" xmlns:gsm=') FROM sample
	UNION ALL SELECT 'version 1', replace(clear, 'xmlns="http://namespaces.gsma.org/esim-messaging/3"',
		'xmlns="http://namespaces.gsma.org/esim-messaging/1" 
 xmlns:es = ''urn:a?b&amp;c'' a="b" x:y="1" xmlns:x="urn:x"') FROM sample;
SELECT reason FROM variant, smsr.register_documents(ARRAY[document]) WHERE what = 'prefixes';
SELECT left(e, 80), right(e, 11), (xpath('count(//*[namespace-uri() = "http://namespaces.gsma.org/esim-messaging/3"])', e::xml))[1] AS elements,
	(xpath('count(//*[local-name() = "ProfileInfo"])', e::xml))[1] AS profiles FROM smsr.euicc, CAST(smsr.get_eis(eid) AS text) AS e;
DELETE FROM smsr.euicc;
SELECT reason FROM variant, smsr.register_documents(ARRAY[document]) WHERE what = 'version 1';
SELECT left(e, 240), right(e, 11), (xpath('count(//*[namespace-uri() = "http://namespaces.gsma.org/esim-messaging/3"])', e::xml))[1] AS elements,
	(xpath('count(//*[namespace-uri() = "http://namespaces.gsma.org/esim-messaging/1" and local-name() = "EumSignedInfo"])', e::xml))[1] AS signed
	FROM smsr.euicc, CAST(smsr.get_eis(eid) AS text) AS e;
-- what EIS and tables can hold
UPDATE smsr.euicc SET additional_properties = '{"b": "<1>", "a": "ä&", "n": null}';
UPDATE smsr.profile SET pol2 = '{DISABLE/Not-Allowed,DELETE/Auto-Delete}', free_memory = 7, profile_type = '<&>', emergency_attribute = true
	WHERE state = 'Disabled';
UPDATE smsr.profile SET iccid = NULL WHERE state = 'Enabled';
UPDATE smsr.keyset SET counter = 1099511627775, check_values = '\x000000112233';
\pset format unaligned
SELECT unnest(xpath('/*/*[local-name() != "EumSignedInfo" and local-name() != "EumSignature"]', smsr.get_eis(eid))) FROM smsr.euicc;

-- ---- no trace ----

DELETE FROM smsr.euicc;
DELETE FROM smsr.eis_reject;
DELETE FROM smsr.transport_key;
DELETE FROM smsr.storage_key;
ALTER SYSTEM RESET smsr.kek_file;
SELECT pg_reload_conf();
\set in_dir 'cat > /dev/null; rm -r ' :dir
COPY (SELECT) TO PROGRAM :'in_dir';
DROP FUNCTION with_keys, vary, changed;
DROP TABLE key_dir, sample, variant, part;
