import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.Signature;
import java.security.cert.*;
import java.util.*;
import javax.net.ssl.*;

/**
 * Reads lines "CHAIN ROOTS [server HOST | client]", two PEM files: whether TLS that trusts ROOTS takes CHAIN of a server, called HOST
 * where that is given, or of a client; or lines "knows ALGORITHM". Prints OK or refused.
 */
public class Trust {
  static final Map<String, X509TrustManager> managers = new HashMap<>();

  public static void main(String[] arguments) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      try {
        answer(line.split(" "));
        System.out.println("OK");
      } catch (java.security.GeneralSecurityException error) {
        System.out.println("refused " + String.valueOf(error.getMessage()).replace('\n', ' '));
      }
    }
  }

  static void answer(String[] words) throws Exception {
    if (words[0].equals("knows")) {
      Signature.getInstance(words[1]);
      return;
    }
    var chain = read(words[0]).toArray(X509Certificate[]::new);
    var manager = managerOf(words[1]);
    if (words.length > 2 && words[2].equals("client")) {
      manager.checkClientTrusted(chain, "UNKNOWN");
      return;
    }
    manager.checkServerTrusted(chain, "ECDHE_ECDSA");
    if (words.length > 3 && !namesOf(chain[0]).contains(words[3])) throw new CertificateException("not for " + words[3]);
  }

  static List<Object> namesOf(X509Certificate leaf) throws Exception {
    var names = new ArrayList<Object>();
    var all = leaf.getSubjectAlternativeNames();
    if (all != null) for (var name : all) names.add(name.get(1));
    return names;
  }

  static List<X509Certificate> read(String file) throws Exception {
    try (var input = Files.newInputStream(Path.of(file))) {
      var all = CertificateFactory.getInstance("X.509").generateCertificates(input);
      return all.stream().map(X509Certificate.class::cast).toList();
    }
  }

  static X509TrustManager managerOf(String roots) throws Exception {
    var known = managers.get(roots);
    if (known == null) managers.put(roots, known = managerOf(read(roots)));
    return known;
  }

  static X509TrustManager managerOf(List<X509Certificate> roots) throws Exception {
    var store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    for (var root : roots) store.setCertificateEntry(root.getSubjectX500Principal().getName(), root);
    var factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(store);
    return (X509TrustManager) factory.getTrustManagers()[0];
  }
}
