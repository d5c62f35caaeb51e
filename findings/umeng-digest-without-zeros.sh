#!/usr/bin/env bash
# com.umeng.umsdk:common 9.8.9 (Maven Central), on a JDK. Seen on 2026-12-01.
# One would guess: an MD5 is 32 hex digits; where the SDK has three functions of that name, they differ
# in letters at most.
# Seen: `getUmengMD5`, which makes the identifier `idmd5`, prints each byte by itself and leaves its
# leading zero out. 662 of 1000 digests are shorter than 32 digits, and where a zero was missing cannot
# be told from the text. `MD5` and `getMD5` beside it print all 32. Who compares `idmd5` with the MD5 of a
# known identifier must leave the zeros out as well.
# Needs: Maven, unzip, a JDK (javac, java).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mvn -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
  -Dartifact=com.umeng.umsdk:common:9.8.9:aar -DoutputDirectory=. >&2
unzip -qo common-9.8.9.aar classes.jar
cat >Digests.java <<'END'
import com.umeng.commonsdk.statistics.common.HelperUtils;

public class Digests {
    public static void main(String[] arguments) {
        int odd = 0, upper = 0, lower = 0, same = 0;
        for (int i = 0; i < 1000; i++) {
            String id = "made-up-" + i;
            String umeng = HelperUtils.getUmengMD5(id), full = HelperUtils.getMD5(id);
            if (umeng.length() < 32) odd++;
            if (HelperUtils.MD5(id).length() < 32) upper++;
            if (full.length() < 32) lower++;
            if (full.replaceAll("0(.)(?=(..)*$)", "$1").equals(umeng)) same++;
        }
        String one = "made-up-0";
        System.out.println("getUmengMD5 " + HelperUtils.getUmengMD5(one));
        System.out.println("getMD5      " + HelperUtils.getMD5(one));
        System.out.println("shorter than 32 of 1000: getUmengMD5 " + odd + ", MD5 " + upper + ", getMD5 " + lower);
        System.out.println("the same but for leading zeros of bytes: " + same);
    }
}
END
javac -cp classes.jar Digests.java
# Its classes have no stack maps, which Android never reads.
java -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote -cp classes.jar:. Digests 2>/dev/null | tee output
grep -Eq 'getUmengMD5 (5[5-9]|6|7[0-2])[0-9]+, MD5 0, getMD5 0$' output
grep -q 'leading zeros of bytes: 1000$' output
echo "as on 2026-12-01"
